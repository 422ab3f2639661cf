variable "region" {
  description = "Region; us-west-2 is where the imagery of Earth Search lies."
  type        = string
  default     = "us-west-2"
}

variable "bucket" {
  description = "Name of the bucket, unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket name has 3 to 63 lower-case letters, digits, dots and hyphens."
  }
}

variable "force_destroy" {
  description = "Destroy the bucket even when it holds data."
  type        = bool
  default     = false
}

variable "keep_old_versions_days" {
  description = "Days that an overwritten or deleted object can still be got back."
  type        = number
  default     = 30

  validation {
    condition     = var.keep_old_versions_days >= 1
    error_message = "Keep old versions for at least 1 day."
  }
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the bucket; null: keys that S3 manages."
  type        = string
  default     = null
}

variable "oidc_provider_arn" {
  description = "ARN of the EKS cluster's IAM OIDC provider; null: no role is made."
  type        = string
  default     = null

  validation {
    condition     = var.oidc_provider_arn == null || can(regex("^arn:[^:]+:iam::\\d+:oidc-provider/.+$", var.oidc_provider_arn))
    error_message = "Give the ARN of an IAM OIDC provider: arn:aws:iam::<account>:oidc-provider/<issuer>."
  }
}

variable "namespace" {
  description = "Namespace whose service account `hydro` may take the role."
  type        = string
  default     = "hydro"
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
