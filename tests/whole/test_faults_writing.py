"""Whatever goes wrong with a bucket, what writes to it ends well or with one sentence."""

from tests.support.faults import cells


@cells("S3", ["commit", "statistics", "maintain"])
def test_s3(name, kind, times, check_on_s3):
    check_on_s3(name, kind, times)
