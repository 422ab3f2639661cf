locals {
  k8s = "${path.module}/../../../k8s"

  endpoint = var.object_store == "minio" ? "http://minio:9000" : var.s3_endpoint_url
  root     = join("/", compact(["s3://${var.bucket}", var.prefix]))

  settings = merge(
    {
      HYDRO_ROOT         = local.root
      HYDRO_S3_REGION    = var.s3_region
      HYDRO_START_DATE   = var.start_date
      AWS_DEFAULT_REGION = var.s3_region
    },
    local.endpoint == null ? {} : {
      HYDRO_S3_ENDPOINT_URL = local.endpoint
      # Checksums beyond the standard's are not known to every S3-compatible server.
      AWS_REQUEST_CHECKSUM_CALCULATION = "when_required"
      AWS_RESPONSE_CHECKSUM_VALIDATION = "when_required"
    },
    var.catalog_url == null ? {} : { HYDRO_CATALOG = var.catalog_url },
    var.settings,
  )

  areas = var.areas != null ? var.areas : tomap({
    demo = {
      bbox   = trimspace(file("${local.k8s}/seed/demo.bbox"))
      fields = "${local.k8s}/seed/demo.geojson"
    }
  })
  seed = merge(
    { for name, area in local.areas : "${name}.bbox" => area.bbox },
    { for name, area in local.areas : "${name}.geojson" => file(area.fields) if area.fields != null },
  )

  # A digest stays behind the tag: the chart puts a colon between repository and tag.
  parts    = "^([^@]+):([^/:@]+(?:@sha256:[0-9a-f]{64})?)$"
  image    = zipmap(["repository", "tag"], regex(local.parts, var.image))
  postgres = zipmap(["repository", "tag"], regex(local.parts, var.postgres_image))
  busybox  = zipmap(["repository", "tag"], regex(local.parts, var.busybox_image))

  manifests = {
    for set, change in {
      minio    = { image = var.minio_image, storage = var.minio_storage, more = ["configmap", "user"] }
      postgres = { image = var.postgres_image, storage = var.postgres_storage, more = [] }
      } : set => [
      for file in concat(["service", "statefulset", "networkpolicy"], change.more) : replace(replace(
        replace(replace(
          replace(file("${local.k8s}/${set}/${file}.yaml"), "/\\bimage: .*/", "image: ${change.image}"),
          "/\\bstorage: .*/", "storage: ${change.storage}"
        ), "arn:aws:s3:::hydro", "arn:aws:s3:::${var.bucket}"),
        "name: BUCKET\n              value: hydro", "name: BUCKET\n              value: ${var.bucket}"
        ),
        "metadata:\n  name: minio-user\n  labels: &", "metadata:\n  annotations: {helm.sh/hook: 'post-install,post-upgrade', helm.sh/hook-delete-policy: before-hook-creation}\n  name: minio-user\n  labels: &"
      )
    ]
  }
  # A hook, because a Job cannot be changed; it leaves alone what is there already.
  seed_job = replace(
    replace(
      replace(file("${local.k8s}/seed/job.yaml"), "/\\bimage: .*/", "image: ${var.image}"),
      "serviceAccountName: default", "serviceAccountName: hydro"
    ),
    "metadata:\n  name: hydro-seed",
    "metadata:\n  annotations: {helm.sh/hook: 'post-install,post-upgrade', helm.sh/hook-delete-policy: before-hook-creation}\n  name: hydro-seed"
  )

  private_egress = [
    for place in var.private_egress : {
      to    = [{ ipBlock = { cidr = place.cidr } }]
      ports = [for protocol in ["TCP", "UDP"] : { port = place.port, protocol = protocol }]
    }
  ]

  base         = yamldecode(file("${local.k8s}/values.yaml"))
  pull_secrets = [for name in var.image_pull_secrets : { name = name }]
  # Pods read settings and areas at their start: a change starts them anew.
  annotations = { "hydro-pipeline/settings" = sha1(jsonencode([local.settings, keys(local.areas)])) }

  dagster_values = {
    imagePullSecrets = local.pull_secrets
    serviceAccount   = { create = false }
    dagsterWebserver = { image = local.image, annotations = local.annotations }
    dagsterDaemon    = { image = local.image, annotations = local.annotations }
    "dagster-user-deployments" = {
      imagePullSecrets = local.pull_secrets
      deployments = [
        for deployment in local.base["dagster-user-deployments"].deployments : merge(deployment, {
          image       = merge(deployment.image, local.image)
          annotations = local.annotations
        })
      ]
    }
    computeLogManager = {
      config = {
        s3ComputeLogManager = {
          bucket      = var.bucket
          prefix      = join("/", compact([var.prefix, "dagster-logs"]))
          endpointUrl = local.endpoint
        }
      }
    }
    postgresql = { image = local.postgres }
    busybox    = { image = local.busybox }
    extraManifests = [
      for manifest in local.base.extraManifests :
      jsondecode(replace(
        replace(jsonencode(manifest), "/{{[^}]*repository }}:{{[^}]*tag }}/", var.image),
        "\"egress\":[", "\"egress\":[${join("", [for rule in local.private_egress : "${jsonencode(rule)},"])}"
      ))
    ]
  }
  size_values = merge(
    var.max_concurrent_runs == null ? {} : {
      concurrency = { runs = { maxConcurrentRuns = var.max_concurrent_runs } }
    },
    var.run_resources == null ? {} : {
      runLauncher = {
        config = { k8sRunLauncher = { runK8sConfig = { containerConfig = { resources = var.run_resources } } } }
      }
    },
  )
}
