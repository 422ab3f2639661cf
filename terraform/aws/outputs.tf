output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.bucket
}

output "region" {
  description = "Region of the bucket."
  value       = var.region
}

output "policy_arn" {
  description = "Policy that allows what the pipeline does with the bucket."
  value       = aws_iam_policy.access.arn
}

output "role_arn" {
  description = "Role of the pods; null where no OIDC provider was given."
  value       = one(aws_iam_role.pods[*].arn)
}

output "platform" {
  description = "Variables of terraform/existing that use this bucket."
  value = {
    object_store                = "external"
    bucket                      = aws_s3_bucket.this.bucket
    s3_region                   = var.region
    service_account_annotations = { for arn in aws_iam_role.pods[*].arn : "eks.amazonaws.com/role-arn" => arn }
    values_files                = ["values-eks.yaml"]
  }
}
