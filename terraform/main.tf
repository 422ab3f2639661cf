locals {
  repository = "${path.root}/.."
  # What .dockerignore lets in, and what makes the image of it.
  package = [
    for file in fileset(local.repository, "hydro_pipeline/**") : file
    if length(regexall("__pycache__/|\\.py[cod]$", file)) == 0
  ]
  sources = concat(
    local.package,
    [".dockerignore", "Dockerfile", "README.md", "pyproject.toml", "requirements.lock"],
  )
  digest = sha1(jsonencode({
    for file in local.sources : file => filesha1("${local.repository}/${file}")
  }))
  image = var.image != null ? var.image : "hydro-pipeline:src-${substr(local.digest, 0, 12)}"
  # Any free port of Kubernetes' range; the node forwards `ui_port` to it.
  node_port = 30300
}

resource "minikube_cluster" "this" {
  cluster_name = var.cluster_name
  driver       = "docker"
  cpus         = var.cpus
  memory       = var.memory
  ports        = ["127.0.0.1:${var.ui_port}:${local.node_port}"]
  addons       = ["default-storageclass", "storage-provisioner"]
}

# The image takes the digest of its sources as its tag: changed sources are a new image.
resource "terraform_data" "image" {
  count            = var.image == null ? 1 : 0
  triggers_replace = [minikube_cluster.this.id, local.image]

  provisioner "local-exec" {
    command = "minikube -p ${var.cluster_name} image build -t ${local.image} ${local.repository}"
  }
}

module "platform" {
  source = "./modules/platform"

  image          = local.image
  areas          = var.areas
  start_date     = var.start_date
  catalog_url    = var.catalog_url
  settings       = merge({ HYDRO_UI_URL = "http://127.0.0.1:${var.ui_port}" }, var.settings)
  minio_image    = var.minio_image
  private_egress = var.private_egress
  values_files   = ["values-minikube.yaml"]

  depends_on = [terraform_data.image]
}

resource "kubernetes_service_v1" "ui" {
  metadata {
    name      = "ui"
    namespace = module.platform.namespace
  }
  spec {
    type = "NodePort"
    selector = {
      "app.kubernetes.io/instance" = "dagster"
      component                    = "dagster-webserver"
    }
    port {
      port        = 3000
      target_port = 3000
      node_port   = local.node_port
    }
  }
}

# The UI is reached from outside of the cluster; only this machine's loopback leads there.
resource "kubernetes_network_policy_v1" "ui" {
  metadata {
    name      = "ui"
    namespace = module.platform.namespace
  }
  spec {
    policy_types = ["Ingress"]
    pod_selector {
      match_labels = {
        component = "dagster-webserver"
      }
    }
    ingress {
      ports {
        port     = "3000"
        protocol = "TCP"
      }
    }
  }
}
