{{/*
Prefix of every name: the release's name, and the chart's unless the former contains it; short enough for suffixes.
Services have it too, so it begins with a letter and has no dot (RFC 1035): Helm and other objects ask for less.
*/}}
{{- define "barrage.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) -}}
{{- $name = printf "%s-%s" $name .Chart.Name -}}
{{- end -}}
{{- $name = .Values.fullnameOverride | default ($name | trunc 45 | trimSuffix "-") -}}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" $name) -}}
{{- fail (printf "%s names no Service: a release's name must begin with a letter and have no dot. Choose another, or set fullnameOverride" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "barrage.operator" -}}
{{- include "barrage.fullname" . }}-operator
{{- end -}}

{{/*
Selector of the operator's pods; it never changes over a release's life. Pools' network policies admit this name: see
operator/desired/.
*/}}
{{- define "barrage.selector" -}}
app.kubernetes.io/name: barrage-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "barrage.labels" -}}
{{ include "barrage.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{- define "barrage.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "barrage.operator" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name must name an existing account when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "barrage.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "barrage.subject" -}}
- kind: ServiceAccount
  name: {{ include "barrage.serviceAccount" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end -}}

{{/* Where `helm test` and the quickstart work: a namespace that the operator watches. */}}
{{- define "barrage.firstNamespace" -}}
{{- first .Values.watchNamespaces | default .Release.Namespace -}}
{{- end -}}
