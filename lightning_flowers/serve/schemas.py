"""What the API takes and gives, and examples of it for the OpenAPI document."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator

from lightning_flowers.use.doubt import Doubt
from lightning_flowers.use.predictor import Guess

MAX_GUESSES = 1000
_ROSE: Any = {"label": 73, "name": "rose", "probability": 0.93}
_ANSWER: Any = {"picture": "a.jpg", "guesses": [_ROSE], "sure": True, "error": None}
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
_Base64 = Annotated[bytes, Field(json_schema_extra={"format": "byte"})]  # as OpenAPI calls it


class Asked(BaseModel):
    """What is to be told of each picture; nothing else can be asked for."""

    model_config = ConfigDict(extra="forbid")

    top: int = Field(default=5, ge=1, le=MAX_GUESSES, description="guesses of each picture")
    heat_map: bool = Field(default=False, description="tell what the model looked at")
    neighbours: bool = Field(default=False, description="tell the nearest val pictures")


class HeatMap(BaseModel):
    """What places in the picture's middle square say for the first guess (positive), or against it, in units of its
    logit: the places and the rest sum to the logit."""

    method: Literal["exact", "gradients", "pixels"] = Field(description="exact, or an approximation")
    label: int
    places: list[list[float]] = Field(description="rows from the top, columns from the left")
    rest: float


class Neighbour(BaseModel):
    """A val picture that is near the picture: /v1/val/NUMBER is its JPEG."""

    number: int
    label: int
    name: str = Field(description="of its class, as it was labelled")
    similarity: float = Field(description="cosine of the two pictures' pooled features; of a blend their weighted mean")


class Answer(BaseModel):
    """To a picture: guesses, or why there are none."""

    picture: str = Field(description="the file's name, or 'picture N', from 0")
    guesses: list[Guess] = Field(description="the answer first, then the most probable of the other classes")
    sure: bool | None = Field(description="whether the answer is probable enough; null where nothing was fitted")
    error: str | None = Field(default=None, description="why there is no answer, where other pictures have one")
    heat_map: HeatMap | None = Field(default=None, description="where it was asked for")
    neighbours: list[Neighbour] | None = Field(
        default=None, description="the nearest first, where they were asked for and /v1/model says that all are known"
    )


class Answers(BaseModel):
    """To all pictures of a request, in their order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "petals", "answers": [_ANSWER]}]})

    model: str
    answers: list[Answer]


class Pictures(BaseModel):
    """Pictures as JSON."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"pictures": [_PIXEL]}], "additionalProperties": False},
        val_json_bytes="base64",
    )

    # Of millions of numbers each would be an error of its own: they took half a minute, and 9 GB.
    pictures: Annotated[list[_Base64], FailFast()] = Field(
        min_length=1, max_length=10_000, description="files' contents in base64"
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_others(cls, given: Any) -> Any:
        """Refuse other keys, by one error."""
        other = next((key for key in given if key != "pictures"), None) if isinstance(given, dict) else None
        if other is not None:
            raise ValueError(f"no key {other!r} is known, only 'pictures'")
        return given


class Failure(BaseModel):
    """Why there is no answer, in a line."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"detail": "a.jpg: is no picture of a known format"}]})

    detail: str


class Classes(BaseModel):
    """Names of the classes, in the order of their labels."""

    classes: list[str]


class Example(BaseModel):
    """A val picture: /v1/val/NUMBER is its JPEG."""

    number: int
    name: str = Field(description="of its class")


class Examples(BaseModel):
    """None unless the server was told to show some."""

    examples: list[Example]


class Neighbours(BaseModel):
    """What the nearest are found among."""

    shown: int = Field(description="how many are told of each picture")
    pictures: int = Field(description="of val")
    known: int = Field(description="how many the server has looked at, which it does while nobody asks for anything")


class Limits(BaseModel):
    """Of a request."""

    files: int
    bytes: int
    pixels: int


class Model(BaseModel):
    """What answers."""

    name: str
    backbones: list[str] = Field(description="timm's names; several of a blend")
    classes: int
    size_px: int = Field(description="side of the square that the model sees")
    views: str = Field(description="test-time augmentation")
    backend: str = Field(description="what computes the answers; all give the same ones")
    calibrated: bool
    external: bool | None = Field(description="trained on data other than the competition's; null if not known")
    threshold: Doubt | None = Field(description="null where nothing was fitted")
    neighbours: Neighbours | None = Field(description="null where val's pictures are not at hand, or not to be shown")
    limits: Limits
    version: str = Field(description="of lightning_flowers")


class State(BaseModel):
    """Whether the server lives, or takes requests."""

    status: str


def request_body() -> dict[str, Any]:
    """What POST /v1/predict takes, for the OpenAPI document: it is read by hand, to bound it before it is parsed."""
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
    form = {"type": "object", "required": ["file"], "properties": {"file": files}}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form, "encoding": {"file": {"contentType": "image/*"}}},
                "application/json": {
                    "schema": Pictures.model_json_schema(),
                    "examples": {"one picture": {"value": {"pictures": [_PIXEL]}}},
                },
            },
        }
    }
