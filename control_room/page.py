"""The page's server, put together from its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException as StarletteError
from starlette.staticfiles import StaticFiles

from control_room import desk, entrance, gallery, wellness
from control_room.certificate import TlsFiles
from control_room.config import WebConfig
from control_room.headers import SecurityHeaders
from control_room.office import Office
from hub.bus import Bus
from hub.errors import MessageError, TransientError
from hub.settings.revision import Settings
from hub.store import Store

STATIC: Final = Path(__file__).parent / "static"


def create_app(bus: Bus, store: Store, settings: Settings, config: WebConfig, tls: TlsFiles | None = None) -> FastAPI:
    """The web application. Its `state.office` holds the stream and the pulse, which `service.run` keeps going.

    Every refusal is JSON with `say`, a sentence for the person at the page.
    """
    app = FastAPI(title="Property hub control room", version=config.version, docs_url=None, redoc_url=None)
    app.state.office = Office(bus, store, settings, config, tls)
    for part in (entrance, desk, gallery, wellness):
        app.include_router(part.routes)

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(StarletteError, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(TransientError, _away)
    app.add_exception_handler(MessageError, _unusable)
    app.add_middleware(SecurityHeaders)
    return app


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteError | HTTPException)
    return JSONResponse({"say": error.detail}, error.status_code, error.headers)


async def _unreadable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # Where and why, never what: the body may hold a password.
    wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return JSONResponse({"say": wrong}, 422)


async def _away(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"say": "系统暂时不可用，请稍候再试"}, 503, {"Retry-After": "2"})


async def _unusable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MessageError)
    return JSONResponse({"say": f"内容无法使用：{error.reason}"}, 422)
