output "ui" {
  description = "What shows the Dagster UI on http://127.0.0.1:3000."
  value       = "kubectl --context ${var.context} -n ${module.platform.namespace} port-forward svc/${split(":", module.platform.ui_service)[0]} 3000:${split(":", module.platform.ui_service)[1]}"
}

output "namespace" {
  description = "Namespace of everything."
  value       = module.platform.namespace
}

output "root" {
  description = "HYDRO_ROOT: where everything is stored."
  value       = module.platform.root
}
