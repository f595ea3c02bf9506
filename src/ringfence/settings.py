"""What can be set from outside: options of the command line, then the environment, then `ringfence.toml`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, get_origin

from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from ringfence.errors import InputError, SpecError
from ringfence.events.personal_names import PersonalClass, classes_of
from ringfence.events.values.texts import TOML_LIMIT, parse_toml, read_text
from ringfence.features.durations import MINUTE_MS, parse_duration_ms
from ringfence.ports.secrets import named_place

FILE_NAME = "ringfence.toml"
_EXAMPLES: Final[dict[Any, str]] = {tuple: """'["…", "…"]'""", dict: """'{"…": "…"}'"""}
NEVER = "never"
RETAINED = (
    *("events", "decisions", "flag_matches", "drift", "model_news", "slo_news", "quarantine"),
    *("cases", "alerts", "messages"),
)
"""Parts of a data folder that may be kept for a time, beside originals; what is not named never expires."""
CLASSES_KEPT: Final = tuple(
    one for one in PersonalClass if one not in (PersonalClass.SECRET, PersonalClass.NONE)
)
"""Classes of personal data whose originals may be kept for a time."""

_LEAST_MS = 10 * MINUTE_MS


class _TomlFile(TomlConfigSettingsSource):
    """The file, of bounded size and nesting."""

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        return parse_toml(read_text(file_path, TOML_LIMIT), file_path.name)


def is_of_originals(part: str) -> bool:
    """Whether a part of `[retention]` is of originals in the vault: a field about a person, or a class.

    `InputError` where no event has such a field.

    >>> is_of_originals("email"), is_of_originals("contact"), is_of_originals("cases")
    (True, True, False)
    """
    if part in RETAINED:
        return False
    if part not in CLASSES_KEPT:
        classes_of({part: PersonalClass.TEXT})
    return True


def period_ms(text: str) -> int | None:
    """How often something is done, in milliseconds, None for never.

    `ValueError` for what is no duration, or too short.

    >>> period_ms("1d"), period_ms("never")
    (86400000, None)
    """
    if text == NEVER:
        return None
    try:
        found = parse_duration_ms(text)
    except SpecError:
        raise ValueError(f"{text!r} is neither a duration such as 1d or 30d nor {NEVER!r}") from None
    if found < _LEAST_MS:
        raise ValueError(f"{text} is too often, 10m is the least; {NEVER!r} switches it off")
    return found


def _checked_period(text: str) -> str:
    period_ms(text)
    return text


_Period = Annotated[str, AfterValidator(_checked_period)]


class Settings(BaseSettings):
    """Settings of one project folder; each may come from the environment as `RINGFENCE_<NAME>`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="RINGFENCE_", toml_file=FILE_NAME, extra="forbid", frozen=True
    )

    data_dir: Path = Path("ringfence-data")
    features: Path | None = None  # `features.py`, where there is one
    rules: Path | None = None  # `rules.yaml`, where there is one
    model: Path | None = None  # folder of the champion
    mapping: str | None = None
    alerts: Path | None = None  # alert policy, where it is not `alerts.toml`
    cases: Path | None = None  # case policy, where it is not `cases.toml`
    store_url: str | None = None  # of the relational store, postgresql://USER@HOST/DATABASE
    store_password: Annotated[str | None, Field(repr=False)] = (
        None  # of its user, else PGPASSWORD or ~/.pgpass
    )
    dynamodb_table: str | None = None  # where the audit item of each decision goes
    dynamodb_days: Annotated[int, Field(ge=0, le=36_500)] = 0  # how long it stays there; 0 for ever
    smtp_url: str | None = None  # smtp://USER@HOST:587, or smtps://USER@HOST:465
    smtp_password: Annotated[str | None, Field(repr=False)] = None
    mail_from: str | None = None  # whom e-mail comes from
    mail_by: Literal["smtp", "ses"] = "smtp"  # who carries e-mail: a server of SMTP, or Amazon SES
    sms_by: Literal["console", "sns", "end-user-messaging"] = "console"  # who carries texts to phones
    sms_from: str | None = None  # a sender's name, or for end-user-messaging a number, a pool or an ARN
    slack_token: Annotated[str | None, Field(repr=False)] = None  # of a bot that may write, xoxb-...
    slack_signing_secret: Annotated[str | None, Field(repr=False)] = None  # of the app whose bot that is
    slack_url: str = "https://slack.com/api/"  # of GovSlack, https://slack-gov.com/api/
    slack_hooks: str = "https://hooks.slack.com/"  # where replies to buttons may go
    webhook_networks: tuple[str, ...] = ()  # private networks that webhooks and Apprise may reach
    sources: tuple[
        str, ...
    ] = ()  # what `ringfence serve` reads: kafka://BROKER:9092/TOPIC, kinesis://STREAM, s3://...
    kafka_sink: str | None = None  # topic that decisions go to, kafka://BROKER:9092/TOPIC
    kafka_control: str | None = None  # control topic of a Flink job that changes made here go to
    kinesis_sink: str | None = None  # stream that decisions go to, kinesis://STREAM
    kafka_properties: Path | None = None  # file of NAME=VALUE with what Kafka's client is told, secrets too
    landing_url: str | None = None  # of the landing zone: a folder, or s3://BUCKET/PREFIX
    landing_format: Literal["parquet", "ndjson", "csv"] = "parquet"
    landing_layout: Literal["hive", "calendar"] = "hive"  # dt=2026-01-31, or 2026/01/31
    landing_file_mb: Annotated[int, Field(ge=1, le=1024)] = 128
    landing_file_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    landing_keep_days: Annotated[int | None, Field(ge=1, le=36_500)] = None  # how long landed days stay
    otlp_endpoint: str | None = None  # of an OpenTelemetry collector that traces go to, http://HOST:4318
    label_delay: str | None = None
    label_sources: tuple[str, ...] = ()  # whose label counts where two differ, the strongest first
    null_values: tuple[str, ...] = ()  # words that stand for no id, beside the usual ones
    keep_values: tuple[str, ...] = ()  # ids, although they look like such words
    require_approval: bool = False  # as four_eyes = ["rules"]
    four_eyes: tuple[
        Literal["rules", "models", "erasure", "reveal"], ...
    ] = ()  # what a second person approves
    reveal_limit: Annotated[int, Field(ge=0)] = 20  # originals a day that one person reveals without a second
    confirm_share: Annotated[float, Field(ge=0, le=1)] = 0.05  # of payments, changed without confirmation
    confirm_money: Annotated[float, Field(ge=0)] | None = None  # a day, newly stopped or approved
    personal_data: Literal["kept", "vault"] = (
        "kept"  # as it comes, or tokens in the log and originals in a vault
    )
    personal_fields: dict[str, str] = {}  # what fields tell of a person, where their names do not
    vault_key: Path | None = None  # of the vault's master keys; never in the data folder
    retention: dict[
        str, str
    ] = {}  # how long parts of the data folder and fields stay, for `ringfence retention`
    reveals_per_hour: Annotated[int, Field(ge=0, le=100_000)] = 20  # originals that one person may be shown
    audit_key: Path | None = None  # of who signs the audit trail; never in the data folder
    audit_anchor: str | None = None  # where heads of the audit trail are kept: a file elsewhere, or a URL
    audit_every_ms: Annotated[int, Field(ge=1000)] = 300_000  # between two checkpoints of the audit trail
    watch_every: _Period = "1d"  # how often the model in force is measured anew; "never"
    backup_to: str | None = None  # where backups go by the clock: s3://BUCKET/PREFIX
    backup_every: _Period = "1d"  # how often; "never"
    backup_spool: Path | None = None  # where a copy waits for its upload, else beside the data folder
    retrain_every: _Period = "never"  # how often a model is trained on the log, and proposed
    retrain_promote: bool = False  # whether one that is better is put in force without anybody's word
    batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 8192
    snapshot_every_events: Annotated[int, Field(ge=1)] = 1_000_000
    snapshot_every_ms: Annotated[int, Field(ge=1000)] = 300_000

    @field_validator("personal_fields")
    @classmethod
    def _check_personal(cls, fields: dict[str, str]) -> dict[str, str]:
        try:
            classes_of(fields)
        except InputError as error:
            raise ValueError(str(error)) from None
        return fields

    @field_validator("retention")
    @classmethod
    def _check_retention(cls, times: dict[str, str]) -> dict[str, str]:
        for part, text in times.items():
            try:
                is_of_originals(part)
            except InputError as error:
                parts = ", ".join((*RETAINED, *CLASSES_KEPT))
                raise ValueError(
                    f"there is no {part!r} to keep for a time: parts are {parts}, and fields. {error}"
                ) from None
            try:
                parse_duration_ms(text)
            except SpecError as error:
                raise ValueError(f"{part}: {error}") from None
        return times

    @field_validator("store_password", "smtp_password", "slack_token", "slack_signing_secret")
    @classmethod
    def _check_secret(cls, text: str | None) -> str | None:
        try:
            named_place(text or "")
        except InputError as error:
            raise ValueError(str(error)) from None
        return text

    @property
    def rules_need_approval(self) -> bool:
        """Whether a change of the rules takes effect only once a second person has approved it."""
        return self.require_approval or "rules" in self.four_eyes

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the base class gives the names)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _TomlFile(settings_cls)


def no_json(settings: type[BaseSettings], error: SettingsError) -> str:
    """Which variable of the environment is no JSON although it holds several values, and how these look."""
    given = {name.upper(): text for name, text in os.environ.items()}
    for name, field in settings.model_fields.items():
        variable = f"{settings.model_config.get('env_prefix', '')}{name}".upper()
        example = _EXAMPLES.get(get_origin(field.annotation))
        if example is not None and not _is_json(given.get(variable, "[]")):
            return f"{variable} is no JSON: write {example}"
    return str(error)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


_kept: tuple[object, Settings] | None = None  # the last ones, and all that they were read from


def load_settings() -> Settings:
    """Settings of the current folder; `InputError` names what is wrong, and where it was set."""
    global _kept  # noqa: PLW0603 (a start asks some twenty times, and each reading takes 5 ms)
    source = _source()
    if _kept is not None and source is not None and _kept[0] == source:
        return _kept[1]
    found = _read_settings()
    if source == _source():  # else the file was written meanwhile
        _kept = (source, found)
    return found


def _source() -> object | None:
    """File and environment as they are now, which is all that settings are made of; None for an odd file."""
    try:
        with Path(FILE_NAME).open("rb") as file:
            return file.read(TOML_LIMIT + 1), dict(os.environ)
    except FileNotFoundError:
        return None, dict(os.environ)
    except OSError:
        return None


def _read_settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name, variable = ".".join(map(str, first["loc"])), str(first["loc"][0]).upper()
        said = first["msg"].removeprefix("Value error, ")
        raise InputError(
            f"setting {name!r}: {said} (set as RINGFENCE_{variable} or in {FILE_NAME})"
        ) from None
    except SettingsError as error:
        raise InputError(no_json(Settings, error)) from None
    except ValueError as error:  # the file is no TOML
        raise InputError(f"{FILE_NAME} cannot be read: {error}") from None
