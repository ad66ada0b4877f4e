{{/*
"true" if an object of a kind of prometheus-operator is wanted, else nothing. `auto` follows the cluster; `true` asks
nobody, for those who render the chart without one.
  include "barrage.monitored" (list . .Values.monitoring.podMonitor.enabled "PodMonitor")
*/}}
{{- define "barrage.monitored" -}}
{{- $kind := printf "monitoring.coreos.com/v1/%s" (index . 2) -}}
{{- $enabled := toString (index . 1) -}}
{{- if or (eq $enabled "true") (and (eq $enabled "auto") ((index . 0).Capabilities.APIVersions.Has $kind)) -}}true{{- end -}}
{{- end -}}

{{/* Labels of the namespaces that may read metrics, as a NetworkPolicy has them. */}}
{{- define "barrage.metricsNamespaces" -}}
{{- range splitList "," .Values.monitoring.namespaceLabels }}
{{- $label := splitList "=" . }}
{{ index $label 0 }}: {{ index $label 1 | quote }}
{{- end }}
{{- end -}}
