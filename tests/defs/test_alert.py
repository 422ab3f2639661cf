"""Failed runs reach the webhook: once, with link, area, days and the error's first line."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import pytest

from hydro_pipeline.defs import alert
from hydro_pipeline.defs.alert import failure_alert, message, post
from hydro_pipeline.defs.build import build_defs
from hydro_pipeline.defs.names import AREA_TAG, RANGE_START_TAG, key, range_tags
from hydro_pipeline.outside.deadlines import Deadline
from hydro_pipeline.settings import Settings
from tests.support.areas import set_up
from tests.support.loopback import dripping, http, serve, silent


class Webhook:
    """A loopback server that keeps what it is sent, and answers with `statuses` in turn."""

    def __init__(self):
        self.received, self.statuses = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                size = int(self.headers["Content-Length"])
                outer.received.append(
                    (self.headers["Content-Type"], json.loads(self.rfile.read(size)))
                )
                self.send_response(outer.statuses.pop(0) if outer.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/secret"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def webhook():
    webhook = Webhook()
    yield webhook
    webhook.server.shutdown()
    webhook.server.server_close()


@pytest.fixture
def pipeline(season, tmp_path, webhook):
    return set_up(
        season,
        tmp_path / "root",
        alert_webhook=webhook.url,
        ui_url="https://dagster.example/",
    )


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def tick(defs, instance, cursor):
    context = dg.build_sensor_context(instance, cursor, repository_def=defs.get_repository_def())
    return defs.resolve_sensor_def("failure_alert").evaluate_tick(context)


def fail_without_day_before(defs, instance, season):
    first = season.first_day
    job = defs.resolve_implicit_global_asset_job_def()
    selection = [key("farm", "composite"), key("farm", "field_stats")]
    job.execute_in_process(
        instance=instance,
        asset_selection=selection,
        tags=range_tags(first, first),
        raise_on_error=False,
    )
    return job.execute_in_process(
        instance=instance,
        asset_selection=selection,
        tags=range_tags(first.replace(day=4), first.replace(day=6)),
        raise_on_error=False,
    )


def test_each_failed_run_that_is_not_tried_again_is_posted_once(
    season, pipeline, instance, webhook
):
    defs = build_defs(pipeline, ["farm"])
    cursor = tick(defs, instance, None).cursor
    failed = fail_without_day_before(defs, instance, season)
    instance.add_run_tags(failed.run_id, {"dagster/will_retry": "true"})
    tick(defs, instance, cursor)
    assert not webhook.received
    instance.add_run_tags(failed.run_id, {"dagster/will_retry": "false"})
    for _ in range(3):
        cursor = tick(defs, instance, cursor).cursor
    [(content_type, body)] = webhook.received
    assert content_type == "application/json"
    assert set(body) == {"text"}
    first, error = body["text"].splitlines()
    assert "*farm* 2024-04-04 to 2024-04-06 failed" in first
    assert f"<https://dagster.example/runs/{failed.run_id}|" in first
    assert "needs the composite of 2024-04-03" in error


def test_there_is_no_alert_without_a_webhook(tmp_path):
    assert failure_alert(Settings.load(root=str(tmp_path))) == []


def test_post_tries_again_while_the_channel_is_busy(webhook):
    webhook.statuses = [503, 429]
    post(webhook.url, {"text": "hello"})
    assert [body for _, body in webhook.received] == [{"text": "hello"}] * 3


@pytest.mark.parametrize("status", [404, 403])
def test_refused_post_is_an_error_that_keeps_the_secret(webhook, status):
    webhook.statuses = [status]
    with pytest.raises(RuntimeError, match=f"answered {status}") as caught:
        post(webhook.url, {"text": "hello"})
    assert "secret" not in str(caught.value)


def test_unreachable_webhook_is_an_error_that_keeps_the_secret(webhook):
    webhook.server.shutdown()
    webhook.server.server_close()
    with pytest.raises(RuntimeError, match="cannot be reached") as caught:
        post(webhook.url, {"text": "hello"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("answer", [silent, dripping(http(b"ok"), 9)], ids=["silent", "head"])
def test_slow_webhook_is_left(answer, monkeypatch):
    monkeypatch.setattr(alert, "ALERT", Deadline(connect=0.3, read=0.3, total=0.6))
    started = time.monotonic()
    with serve(answer) as server, pytest.raises(RuntimeError, match="cannot be reached") as caught:
        post(f"{server.url}/services/secret", {"text": "hello"})
    assert "secret" not in str(caught.value)
    assert time.monotonic() - started < 3


def test_what_a_user_named_is_neither_link_nor_mention(instance):
    run = dg.DagsterRun(
        "farm_days", tags={AREA_TAG: "<!channel>", RANGE_START_TAG: "<https://e|x>"}
    )
    text = message(run, ["field <@U1> & \x1b[31m\n> forged"], "https://dagster.example")["text"]
    first, error = text.splitlines()
    assert first.startswith("*&lt;!channel&gt;* &lt;https://e|x&gt; failed: <https://dagster.ex")
    assert error == r"> field &lt;@U1&gt; &amp; \x1b[31m\n&gt; forged"
