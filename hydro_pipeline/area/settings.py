"""The settings that hold for one area."""

from hydro_pipeline.area.area import Area
from hydro_pipeline.errors import AreaError, SettingError
from hydro_pipeline.settings import Settings


def settings_of(area: Area, settings: Settings) -> Settings:
    """The area's own rules, else the `settings`. Raises `AreaError` for a rule of a wrong value."""
    if not area.rules:
        return settings
    others = {name: getattr(settings, name) for name in Settings.model_fields}
    try:
        return Settings.load(**{**others, **dict(area.rules)})
    except SettingError as error:
        raise AreaError(f"area {area.name}: in its own rules, {error}") from None
