{{- define "mezzo.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Release "mezzo" of chart "mezzo" is plain "mezzo". Room is left for the longest suffix. */}}
{{- define "mezzo.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 44 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "mezzo.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 44 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 44 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Cluster-wide objects carry the namespace too: two releases of one name do not meet. */}}
{{- define "mezzo.clusterName" -}}
{{- if eq .Release.Namespace (include "mezzo.fullname" .) -}}
{{- include "mezzo.fullname" . -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace (include "mezzo.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "mezzo.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: mezzo
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (dict "root" $ "component" "operator") */}}
{{- define "mezzo.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mezzo.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "mezzo.labels" -}}
{{ include "mezzo.selectorLabels" . }}
{{ include "mezzo.commonLabels" .root }}
{{- end -}}

{{- define "mezzo.image" -}}
{{- $repository := .Values.image.repository -}}
{{- if .Values.image.registry }}{{ $repository = printf "%s/%s" .Values.image.registry $repository }}{{ end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "mezzo.operator.serviceAccount" -}}
{{- if .Values.operator.serviceAccount.create -}}
{{- default (printf "%s-operator" (include "mezzo.fullname" .)) .Values.operator.serviceAccount.name -}}
{{- else -}}
{{- required "operator.serviceAccount.name must name the account to use when operator.serviceAccount.create is false" .Values.operator.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "mezzo.agent.serviceAccount" -}}
{{- if .Values.agent.serviceAccount.create -}}
{{- default (printf "%s-agent" (include "mezzo.fullname" .)) .Values.agent.serviceAccount.name -}}
{{- else -}}
{{- required "agent.serviceAccount.name must name the account to use when agent.serviceAccount.create is false" .Values.agent.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "mezzo.url" -}}
{{- printf "%s://%s.%s:%v" (include "mezzo.scheme" .) (include "mezzo.fullname" .) .Release.Namespace .Values.service.httpPort -}}
{{- end -}}

{{- define "mezzo.scheme" -}}
{{- ternary "https" "http" .Values.tls.enabled -}}
{{- end -}}

{{- define "mezzo.tls.secret" -}}
{{- if .Values.tls.secretName -}}
{{- .Values.tls.secretName -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- include "mezzo.fullname" . }}-tls
{{- else -}}
{{- required "tls.enabled needs tls.secretName, a Secret with tls.crt and tls.key, or tls.certManager.enabled" .Values.tls.secretName -}}
{{- end -}}
{{- end -}}

{{/* The authority alone: whoever only calls the operator has no business with its key. */}}
{{- define "mezzo.tls.caVolume" -}}
- name: ca
  secret:
    secretName: {{ include "mezzo.tls.secret" . }}
    items:
      - {key: {{ .Values.tls.caKey }}, path: ca.crt}
{{- end -}}

{{/* Environment that every process of ours needs to reach the API server. */}}
{{- define "mezzo.apiServerEnv" -}}
{{- with .Values.apiServer.host -}}
- name: KUBERNETES_SERVICE_HOST
  value: {{ . | quote }}
{{- end }}
{{- with .Values.apiServer.port }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ . | toString | quote }}
{{- end }}
{{- end -}}

{{- define "mezzo.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "mezzo.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "mezzo.uninstall.tasks" -}}
{{- default (ternary "keep" "stop" (and .Values.crds.enabled .Values.crds.keep)) .Values.uninstall.tasks -}}
{{- end -}}

{{- define "mezzo.pullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
