{{/* Name of the quickstart's objects, its Redis' Service included. */}}
{{- define "barrage.quickstart" -}}
{{- include "barrage.fullname" . }}-quickstart
{{- end -}}

{{/* Labels that stay the same over a release's life. */}}
{{- define "barrage.quickstart.lasting" -}}
app.kubernetes.io/name: barrage-quickstart
app.kubernetes.io/instance: {{ .Release.Name | quote }}
barrage.dev/purpose: not-for-production
{{- end -}}

{{- define "barrage.quickstart.labels" -}}
{{ include "barrage.quickstart.lasting" . }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{/* Not empty: the release brings a development Redis. */}}
{{- define "barrage.quickstart.redis" -}}
{{- if and .Values.quickstart.enabled (not (hasKey .Values.quickstart.pool.spec "bus")) -}}
yes
{{- end -}}
{{- end -}}

{{/*
The first pool as JSON: the operator reads it (operator/decide/first-pool.ts). Its pods need what the operator's need.
No version is in it: a newer chart alone changes nothing of the pool, and takes back no change by hand.
*/}}
{{- define "barrage.quickstart.pool" -}}
{{- $pod := dict }}
{{- with .Values.image.pullSecrets }}{{ $_ := set $pod "imagePullSecrets" . }}{{ end }}
{{- if ne .Values.image.pullPolicy "IfNotPresent" }}
{{- $_ := set $pod "containers" (list (dict "name" "barrage" "imagePullPolicy" .Values.image.pullPolicy)) }}
{{- end }}
{{- $spec := dict "replicas" 2 }}
{{- if $pod }}{{ $spec = merge $spec (dict "template" (dict "spec" $pod) "publisher" (dict "template" (dict "spec" $pod))) }}{{ end }}
{{- if include "barrage.quickstart.redis" . }}
{{- $name := include "barrage.quickstart" . }}
{{- $_ := set $spec "bus" (dict "type" "Redis" "redis" (dict "mode" "Standalone" "addresses" (list (printf "%s:6379" $name)) "credentialsSecret" (dict "name" $name))) }}
{{- end }}
{{- $spec = mergeOverwrite $spec (deepCopy .Values.quickstart.pool.spec) }}
{{- dict "metadata" (dict "name" .Values.quickstart.pool.name "labels" (include "barrage.quickstart.lasting" . | fromYaml)) "spec" $spec | toJson }}
{{- end -}}

{{/* Secret of the quickstart's certificate; empty: its pool speaks plain HTTP. */}}
{{- define "barrage.quickstart.tls" -}}
{{- with .Values.quickstart.pool.spec.tls }}{{ .secretName }}{{ end }}
{{- end -}}

{{/* Secret of the certificate of the pool that `helm test` tries; empty: that pool speaks plain HTTP. */}}
{{- define "barrage.test.tls" -}}
{{- $pool := .Values.test.pool }}
{{- $first := include "barrage.firstNamespace" . }}
{{- $isQuickstart := and .Values.quickstart.enabled (eq $pool.name .Values.quickstart.pool.name) (eq ($pool.namespace | default $first) $first) }}
{{- if .Values.test.tlsSecret.name }}{{ .Values.test.tlsSecret.name }}
{{- else if $isQuickstart }}{{ include "barrage.quickstart.tls" . }}
{{- end }}
{{- end -}}

{{/* Fails where somebody else's pool has the name. A cluster that does not know the kind has no pools. */}}
{{- define "barrage.quickstart.nameIsFree" -}}
{{- if .Capabilities.APIVersions.Has "barrage.dev/v1alpha1/GatewayPool" }}
{{- $namespace := include "barrage.firstNamespace" . }}
{{- $found := lookup "barrage.dev/v1alpha1" "GatewayPool" $namespace .Values.quickstart.pool.name }}
{{- if $found }}
{{- $isOurs := false }}
{{- range ($found.metadata.ownerReferences | default list) }}
{{- if and (eq .kind "ConfigMap") (eq .name (include "barrage.quickstart" $)) }}{{ $isOurs = true }}{{ end }}
{{- end }}
{{- if not $isOurs }}
{{- fail (printf "quickstart: GatewayPool %s/%s exists already, and is not this release's. It stays as it is. Choose another name by quickstart.pool.name" $namespace .Values.quickstart.pool.name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
