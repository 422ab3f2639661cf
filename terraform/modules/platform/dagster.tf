resource "helm_release" "postgres" {
  name      = "postgres"
  namespace = kubernetes_namespace_v1.this.metadata[0].name
  chart     = "${local.k8s}/manifests"
  values    = [yamlencode({ manifests = local.manifests.postgres })]
  timeout   = 600

  depends_on = [kubernetes_secret_v1.postgres]
}

resource "helm_release" "dagster" {
  name       = "dagster"
  namespace  = kubernetes_namespace_v1.this.metadata[0].name
  chart      = var.dagster_chart
  repository = var.dagster_chart_repository
  version    = var.dagster_chart_version
  values = concat(
    [file("${local.k8s}/values.yaml")],
    [for name in var.values_files : file("${local.k8s}/${name}")],
    [yamlencode(local.dagster_values), yamlencode(local.size_values)],
  )
  max_history = 5
  timeout     = 900

  depends_on = [helm_release.postgres, helm_release.seed]
}
