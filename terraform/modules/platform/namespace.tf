resource "kubernetes_namespace_v1" "this" {
  metadata {
    name = var.namespace
    labels = {
      "app.kubernetes.io/part-of"          = "hydro-pipeline"
      "pod-security.kubernetes.io/enforce" = "restricted"
    }
  }
}

# Of the pods of Dagster, of the runs and of the seeding job.
resource "kubernetes_service_account_v1" "this" {
  metadata {
    name        = "hydro"
    namespace   = kubernetes_namespace_v1.this.metadata[0].name
    annotations = var.service_account_annotations
  }
}

resource "kubernetes_config_map_v1" "settings" {
  metadata {
    name      = "hydro"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
  }
  data = local.settings
}

# Of MinIO's root, and of its user that the pods are.
resource "random_password" "minio" {
  for_each = toset(var.object_store == "minio" ? ["root", "user"] : [])
  length   = 32
  special  = false
}

resource "random_password" "postgres" {
  length  = 32
  special = false
}

resource "kubernetes_secret_v1" "settings" {
  metadata {
    name      = "hydro"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
  }
  data = merge(
    var.object_store == "minio" ? {
      HYDRO_S3_ACCESS_KEY_ID     = "hydro"
      HYDRO_S3_SECRET_ACCESS_KEY = random_password.minio["user"].result
    } : {},
    var.object_store == "external" && nonsensitive(var.s3_access_key_id != null) ? {
      HYDRO_S3_ACCESS_KEY_ID     = var.s3_access_key_id
      HYDRO_S3_SECRET_ACCESS_KEY = var.s3_secret_access_key
    } : {},
    nonsensitive(var.alert_webhook != null) ? { HYDRO_ALERT_WEBHOOK = var.alert_webhook } : {},
  )
}

resource "kubernetes_secret_v1" "minio" {
  count = var.object_store == "minio" ? 1 : 0
  metadata {
    name      = "hydro-minio"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
  }
  data = {
    user     = "root"
    password = random_password.minio["root"].result
  }
}

resource "kubernetes_secret_v1" "postgres" {
  metadata {
    name      = "hydro-postgres"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
  }
  data = {
    postgresql-password = random_password.postgres.result
  }
}
