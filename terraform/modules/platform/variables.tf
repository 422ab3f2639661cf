variable "namespace" {
  description = "Namespace to make; destroying it destroys everything in it, data too."
  type        = string
  default     = "hydro"
}

variable "image" {
  description = "Image of hydro_pipeline as repository:tag, better with @sha256:digest; a new one is an upgrade."
  type        = string

  validation {
    condition     = can(regex("^[^\\s:@]+(:[0-9]+/[^\\s:@]+)?:[\\w][\\w.-]*(@sha256:[0-9a-f]{64})?$", var.image))
    error_message = "Give the image as repository:tag or repository:tag@sha256:digest, for example hydro-pipeline:0.1.0."
  }
}

variable "image_pull_secrets" {
  description = "Names of Secrets in the namespace for a private image registry."
  type        = list(string)
  default     = []
}

variable "object_store" {
  description = "minio: run MinIO in the cluster; external: use a bucket that exists elsewhere."
  type        = string
  default     = "minio"

  validation {
    condition     = contains(["minio", "external"], var.object_store)
    error_message = "object_store is either minio or external."
  }
}

variable "bucket" {
  description = "Bucket of all data and logs; made if it does not exist and the keys allow it."
  type        = string
  default     = "hydro"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket name has 3 to 63 lower-case letters, digits, dots and hyphens."
  }
}

variable "prefix" {
  description = "Prefix of all keys in the bucket; empty: none."
  type        = string
  default     = ""

  validation {
    condition     = trim(var.prefix, "/") == var.prefix
    error_message = "Give the prefix without a slash at its start or end."
  }
}

variable "s3_endpoint_url" {
  description = "Endpoint of an external S3-compatible store; null: AWS."
  type        = string
  default     = null

  validation {
    condition     = var.s3_endpoint_url == null || can(regex("^https?://[^/]+$", var.s3_endpoint_url))
    error_message = "Give the endpoint as http(s)://host[:port], without a path."
  }
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

  validation {
    condition     = (var.s3_access_key_id == null) == (var.s3_secret_access_key == null)
    error_message = "Set both s3_access_key_id and s3_secret_access_key, or neither."
  }
}

variable "service_account_annotations" {
  description = "Annotations of the service account, for example eks.amazonaws.com/role-arn."
  type        = map(string)
  default     = {}
}

variable "areas" {
  description = "Areas to make where they do not exist: bbox is W,S,E,N in degrees, fields a GeoJSON file; null: the demo area."
  type = map(object({
    bbox   = string
    fields = optional(string)
  }))
  default = null

  validation {
    condition = alltrue([
      for name, area in coalesce(var.areas, {}) :
      can(regex("^[A-Za-z0-9_]+$", name)) &&
      can(regex("^-?[0-9.]+(,-?[0-9.]+){3}$", area.bbox))
    ])
    error_message = "Area names hold letters, digits and _; bbox is four numbers, W,S,E,N."
  }
}

variable "start_date" {
  description = "First day of every cube, YYYY-MM-DD."
  type        = string
  default     = "2026-06-01"

  validation {
    condition     = can(regex("^\\d{4}-\\d{2}-\\d{2}$", var.start_date)) && can(timeadd("${var.start_date}T00:00:00Z", "0h"))
    error_message = "start_date is a day, YYYY-MM-DD."
  }
}

variable "catalog_url" {
  description = "Root of the STAC API; null: Earth Search."
  type        = string
  default     = null
}

variable "settings" {
  description = "Further HYDRO_* settings; no secrets, they end in a ConfigMap."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for name in keys(var.settings) :
      startswith(name, "HYDRO_") && !can(regex("KEY|SECRET|WEBHOOK|PASSWORD|TOKEN", name))
    ])
    error_message = "Only HYDRO_* settings that are no secrets: keys and the webhook have variables of their own."
  }
}

variable "alert_webhook" {
  description = "Slack-compatible URL that failures are posted to; null: off."
  type        = string
  default     = null
  sensitive   = true
}

variable "minio_image" {
  description = "Image of MinIO, or of another S3 server that takes `server /data` and MinIO's environment."
  type        = string
  default     = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"
}

variable "minio_storage" {
  description = "Size of MinIO's volume."
  type        = string
  default     = "20Gi"
}

variable "postgres_image" {
  description = "Image of Postgres as repository:tag."
  type        = string
  default     = "docker.io/library/postgres:17.6"

  validation {
    condition     = can(regex("^[^@]+:[^/:@]+(@sha256:[0-9a-f]{64})?$", var.postgres_image))
    error_message = "Give the image as repository:tag or repository:tag@sha256:digest."
  }
}

variable "postgres_storage" {
  description = "Size of the volume of Dagster's database."
  type        = string
  default     = "8Gi"
}

variable "busybox_image" {
  description = "Image with an nslookup that uses the search domains, as repository:tag."
  type        = string
  default     = "docker.io/library/busybox:1.28"

  validation {
    condition     = can(regex("^[^@]+:[^/:@]+(@sha256:[0-9a-f]{64})?$", var.busybox_image))
    error_message = "Give the image as repository:tag or repository:tag@sha256:digest."
  }
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

  validation {
    condition = alltrue([
      for place in var.private_egress : can(cidrhost(place.cidr, 0)) && place.port > 0 && place.port < 65536
    ])
    error_message = "Each place has a cidr, such as 10.1.2.3/32, and a port."
  }
}
