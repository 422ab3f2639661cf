variable "kubeconfig" {
  description = "The kubeconfig file."
  type        = string
  default     = "~/.kube/config"
}

variable "context" {
  description = "Context in the kubeconfig file; never the current one by accident."
  type        = string
}

# The rest goes to modules/platform, where each variable is described and checked.

variable "namespace" {
  description = "Namespace to make."
  type        = string
  default     = "hydro"
}

variable "image" {
  description = "Image of hydro_pipeline that the cluster can pull, as repository:tag."
  type        = string
}

variable "image_pull_secrets" {
  description = "Names of Secrets for a private image registry."
  type        = list(string)
  default     = []
}

variable "object_store" {
  description = "minio or external."
  type        = string
  default     = "minio"
}

variable "bucket" {
  description = "Bucket of all data and logs."
  type        = string
  default     = "hydro"
}

variable "prefix" {
  description = "Prefix of all keys in the bucket."
  type        = string
  default     = ""
}

variable "s3_endpoint_url" {
  description = "Endpoint of an external S3-compatible store; null: AWS."
  type        = string
  default     = null
}

variable "s3_region" {
  description = "Region of the bucket."
  type        = string
  default     = "us-east-1"
}

variable "s3_access_key_id" {
  description = "Access key of an external store; null: the role of the service account."
  type        = string
  default     = null
  sensitive   = true
}

variable "s3_secret_access_key" {
  description = "Secret key that belongs to the access key."
  type        = string
  default     = null
  sensitive   = true
}

variable "service_account_annotations" {
  description = "Annotations of the service account."
  type        = map(string)
  default     = {}
}

variable "areas" {
  description = "Areas to make where they do not exist; null: the demo area."
  type = map(object({
    bbox   = string
    fields = optional(string)
  }))
  default = null
}

variable "start_date" {
  description = "First day of every cube, YYYY-MM-DD."
  type        = string
  default     = "2026-06-01"
}

variable "catalog_url" {
  description = "Root of the STAC API; null: Earth Search."
  type        = string
  default     = null
}

variable "settings" {
  description = "Further HYDRO_* settings, no secrets."
  type        = map(string)
  default     = {}
}

variable "alert_webhook" {
  description = "Slack-compatible URL that failures are posted to; null: off."
  type        = string
  default     = null
  sensitive   = true
}

variable "minio_image" {
  description = "Image of MinIO."
  type        = string
  default     = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"
}

variable "minio_storage" {
  description = "Size of MinIO's volume."
  type        = string
  default     = "100Gi"
}

variable "postgres_image" {
  description = "Image of Postgres as repository:tag."
  type        = string
  default     = "docker.io/library/postgres:17.6"
}

variable "postgres_storage" {
  description = "Size of the volume of Dagster's database."
  type        = string
  default     = "8Gi"
}

variable "busybox_image" {
  description = "Image with nslookup as repository:tag."
  type        = string
  default     = "docker.io/library/busybox:1.28"
}

variable "dagster_chart" {
  description = "The Dagster chart: its name in the repository, or a local path or .tgz file."
  type        = string
  default     = "dagster"
}

variable "dagster_chart_repository" {
  description = "Helm repository of the chart; null for a local chart."
  type        = string
  default     = "https://dagster-io.github.io/helm"
}

variable "dagster_chart_version" {
  description = "Version of the chart: that of the dagster package in the image."
  type        = string
  default     = "1.13.27"
}

variable "values_files" {
  description = "Values files in k8s/ on top of values.yaml."
  type        = list(string)
  default     = []
}

variable "max_concurrent_runs" {
  description = "Runs at a time; null: as in the values files."
  type        = number
  default     = null
}

variable "run_resources" {
  description = "Requests and limits of a run's pod; null: as in the values files."
  type = object({
    requests = map(string)
    limits   = map(string)
  })
  default = null
}

variable "private_egress" {
  description = "Private addresses, and ports other than 443, that runs may reach: a store or catalog of one's own."
  type = list(object({
    cidr = string
    port = number
  }))
  default = []
}
