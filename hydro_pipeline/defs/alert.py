"""Tells a chat channel of every failed run."""

import dagster as dg
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from hydro_pipeline.defs.names import AREA_TAG, RANGE_END_TAG, RANGE_START_TAG
from hydro_pipeline.outside.deadlines import ALERT, within
from hydro_pipeline.outside.shown import slack
from hydro_pipeline.settings import Settings


def failure_alert(settings: Settings) -> list[dg.SensorDefinition]:
    """`failure_alert`, posting to `HYDRO_ALERT_WEBHOOK`; nothing where that is unset."""
    if settings.alert_webhook is None:
        return []
    webhook = settings.alert_webhook.get_secret_value()

    @dg.run_failure_sensor(
        name="failure_alert",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Posts every failed run to HYDRO_ALERT_WEBHOOK, once.",
    )
    def sensor(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        if run.tags.get("dagster/will_retry") == "true":
            return dg.SkipReason(f"run {run.run_id} will be tried again")
        errors = [e.step_failure_data.error for e in context.get_step_failure_events()]
        lines = [_first_line(error.message) for error in errors if error]
        post(webhook, message(run, lines or [context.failure_event.message or ""], settings.ui_url))
        return None

    return [sensor]


def message(run: dg.DagsterRun, errors: list[str], ui_url: str) -> dict[str, str]:
    """The JSON body of an alert: area, days, each error's first line, link to the run."""
    area = run.tags.get(AREA_TAG) or _area_of(run)
    first = run.tags.get(RANGE_START_TAG, run.tags.get("dagster/partition", ""))
    last = run.tags.get(RANGE_END_TAG, first)
    days = first if first == last else f"{first} to {last}"
    link = f"<{ui_url.rstrip('/')}/runs/{run.run_id}|{slack(run.job_name)}>"
    said = [f"*{slack(area)}* {slack(days)} failed: {link}", *(f"> {slack(e)}" for e in errors)]
    return {"text": "\n".join(said)}


def post(webhook: str, body: dict[str, str]) -> None:
    """POST `body` as JSON, trying three times. Raises `RuntimeError` without the secret URL."""
    retry = Retry(
        total=2, backoff_factor=1, status_forcelist=[429, 500, 502, 503], allowed_methods=None
    )
    with requests.Session() as session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        try:
            answer = within(
                ALERT.total,
                lambda: session.post(
                    webhook, json=body, timeout=(ALERT.connect, ALERT.read), allow_redirects=False
                ),
            )
        except (requests.RequestException, TimeoutError) as error:
            raise RuntimeError(
                f"HYDRO_ALERT_WEBHOOK cannot be reached: {type(error).__name__}"
            ) from None
    if not answer.ok or answer.is_redirect:
        raise RuntimeError(f"HYDRO_ALERT_WEBHOOK answered {answer.status_code} {answer.reason}")


def _area_of(run: dg.DagsterRun) -> str:
    return ", ".join(sorted({key.path[0] for key in run.asset_selection or ()})) or run.job_name


def _first_line(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else "no message"
    return line.removeprefix("dagster._core.definitions.events.Failure: ")
