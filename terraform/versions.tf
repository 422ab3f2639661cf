terraform {
  required_version = ">= 1.9"

  required_providers {
    minikube = {
      source  = "scott-the-programmer/minikube"
      version = "~> 0.5"
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = ">= 2.21, < 3"
    }
    helm = {
      source  = "hashicorp/helm"
      version = ">= 2.9, < 3"
    }
  }
}

provider "minikube" {
  kubernetes_version = var.kubernetes_version
}

provider "kubernetes" {
  host                   = minikube_cluster.this.host
  client_certificate     = minikube_cluster.this.client_certificate
  client_key             = minikube_cluster.this.client_key
  cluster_ca_certificate = minikube_cluster.this.cluster_ca_certificate
}

provider "helm" {
  kubernetes {
    host                   = minikube_cluster.this.host
    client_certificate     = minikube_cluster.this.client_certificate
    client_key             = minikube_cluster.this.client_key
    cluster_ca_certificate = minikube_cluster.this.cluster_ca_certificate
  }
}
