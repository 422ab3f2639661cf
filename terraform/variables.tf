variable "cluster_name" {
  description = "Name of the minikube profile."
  type        = string
  default     = "hydro"
}

variable "kubernetes_version" {
  description = "Version of Kubernetes."
  type        = string
  default     = "v1.32.0"
}

variable "cpus" {
  description = "CPUs of the node."
  type        = number
  default     = 4
}

variable "memory" {
  description = "Memory of the node."
  type        = string
  default     = "8g"
}

variable "ui_port" {
  description = "Port of this machine's loopback that shows the Dagster UI."
  type        = number
  default     = 3000
}

variable "image" {
  description = "Image to pull, as repository:tag; null: build one from this checkout."
  type        = string
  default     = null
}

variable "areas" {
  description = "See modules/platform; null: the demo area."
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

variable "minio_image" {
  description = "Image of the object store."
  type        = string
  default     = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"
}

variable "private_egress" {
  description = "Private addresses, and ports other than 443, that runs may reach: a store or catalog of one's own."
  type = list(object({
    cidr = string
    port = number
  }))
  default = []
}
