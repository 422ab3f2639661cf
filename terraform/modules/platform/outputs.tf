output "namespace" {
  description = "Namespace of everything."
  value       = kubernetes_namespace_v1.this.metadata[0].name
}

output "ui_service" {
  description = "Service of the Dagster UI and its port, for port-forwarding or an ingress."
  value       = "dagster-ui:${local.base.dagsterWebserver.service.port}"

  depends_on = [helm_release.dagster]
}

output "root" {
  description = "HYDRO_ROOT: where everything is stored."
  value       = local.root
}
