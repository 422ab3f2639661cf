# What the pipeline does with its bucket, and nothing else. `hydro init` looks at versioning and
# lifecycle, but only Terraform may change them.
data "aws_iam_policy_document" "access" {
  statement {
    sid = "Bucket"
    actions = [
      "s3:ListBucket",
      "s3:GetBucketLocation",
      "s3:GetBucketVersioning",
      "s3:GetLifecycleConfiguration",
    ]
    resources = [aws_s3_bucket.this.arn]
  }

  statement {
    sid = "Objects"
    actions = [
      "s3:GetObject",
      "s3:PutObject",
      "s3:DeleteObject",
      "s3:AbortMultipartUpload",
    ]
    resources = ["${aws_s3_bucket.this.arn}/*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]

    content {
      sid       = "Key"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_policy" "access" {
  name_prefix = "hydro-pipeline-"
  description = "Read and write hydro_pipeline's bucket"
  policy      = data.aws_iam_policy_document.access.json
}

# A role for the service account of the pods (IRSA): no keys anywhere.
data "aws_iam_policy_document" "trust" {
  count = var.oidc_provider_arn == null ? 0 : 1

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${var.namespace}:hydro"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

locals {
  issuer = var.oidc_provider_arn == null ? "" : regex("oidc-provider/(.+)$", var.oidc_provider_arn)[0]
}

resource "aws_iam_role" "pods" {
  count              = var.oidc_provider_arn == null ? 0 : 1
  name_prefix        = "hydro-pipeline-"
  description        = "Taken by the pods of hydro_pipeline"
  assume_role_policy = data.aws_iam_policy_document.trust[0].json
}

resource "aws_iam_role_policy_attachment" "pods" {
  count      = var.oidc_provider_arn == null ? 0 : 1
  role       = aws_iam_role.pods[0].name
  policy_arn = aws_iam_policy.access.arn
}
