output "ui" {
  description = "Address of the Dagster UI."
  value       = "http://127.0.0.1:${var.ui_port}"

  depends_on = [kubernetes_service_v1.ui, kubernetes_network_policy_v1.ui]
}

output "context" {
  description = "Context of kubectl."
  value       = var.cluster_name
}

output "namespace" {
  description = "Namespace of everything."
  value       = module.platform.namespace
}

output "image" {
  description = "Image that runs."
  value       = local.image
}
