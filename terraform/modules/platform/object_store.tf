resource "helm_release" "minio" {
  count     = var.object_store == "minio" ? 1 : 0
  name      = "minio"
  namespace = kubernetes_namespace_v1.this.metadata[0].name
  chart     = "${local.k8s}/manifests"
  values    = [yamlencode({ manifests = local.manifests.minio })]
  timeout   = 600

  depends_on = [kubernetes_secret_v1.settings, kubernetes_secret_v1.minio]
}

resource "kubernetes_config_map_v1" "seed" {
  metadata {
    name      = "hydro-seed"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
  }
  data = local.seed

  lifecycle {
    precondition {
      condition     = length(jsonencode(local.seed)) < 1000000
      error_message = "The files of fields are too large for a ConfigMap (1 MB): leave them out of `areas` and put them with `hydro fields put`."
    }
  }
}

# The bucket and the first areas, before the first run looks for them.
resource "helm_release" "seed" {
  name      = "seed"
  namespace = kubernetes_namespace_v1.this.metadata[0].name
  chart     = "${local.k8s}/manifests"
  values    = [yamlencode({ manifests = [local.seed_job], areas = sha1(jsonencode(local.seed)) })]
  timeout   = 1000

  depends_on = [
    helm_release.minio,
    kubernetes_config_map_v1.seed,
    kubernetes_config_map_v1.settings,
    kubernetes_secret_v1.settings,
    kubernetes_service_account_v1.this,
  ]
}
