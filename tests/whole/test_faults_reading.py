"""Whatever goes wrong with a bucket, what reads it ends well or with one sentence."""

from tests.support.faults import cells


@cells("S3", ["open", "read", "catch-up", "report"])
def test_s3(name, kind, times, check_on_s3):
    check_on_s3(name, kind, times)
