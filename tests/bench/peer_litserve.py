"""LitServe with its defaults, before the same predictor: `python -m bench.peer_litserve RUN PORT` in .venv-bench."""

import sys
from typing import Any

import litserve  # pyright: ignore[reportMissingImports]
from fastapi import Request

import lightning_flowers


class Flowers(litserve.LitAPI):
    """Answers as `serve` does."""

    def setup(self, device: str) -> None:
        """Load the run."""
        self.predictor = lightning_flowers.load(sys.argv[1], accelerator="cpu")

    def decode_request(self, request: Request) -> Any:
        """Pixels of the picture in a form."""
        return self.predictor.read(request["file"].file.read())  # pyright: ignore[reportIndexIssue]

    def predict(self, pixels: Any) -> Any:
        """Probabilities of one picture."""
        return self.predictor.probabilities_of(pixels[None])

    def encode_response(self, row: Any) -> dict[str, Any]:
        """The guesses."""
        return {"guesses": [vars(guess) for guess in self.predictor.guesses(row)[0]]}


if __name__ == "__main__":
    server = litserve.LitServer(Flowers(api_path="/v1/predict"), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="error")
