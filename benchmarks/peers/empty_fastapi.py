"""A FastAPI application that does nothing, with the libraries loaded that ours cannot do without."""

from __future__ import annotations

import sys

import pydantic
import sqlalchemy
import uvicorn
from fastapi import FastAPI

__all__ = ["app", "pydantic", "sqlalchemy"]

app = FastAPI()


@app.get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
