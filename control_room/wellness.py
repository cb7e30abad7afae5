"""For those who look after the hub: is it alive, is it ready, its figures, and its certificate."""

from __future__ import annotations

import time
from typing import Final

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

from control_room.door import Here
from control_room.pulse import EVERY
from hub import metrics
from hub.errors import TransientError

routes = APIRouter()

LATE: Final = EVERY * 4

_PAGE: Final = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>安装证书</title>
<link rel="stylesheet" href="/static/style/base.css"></head><body><main class="ca">
<h1>安装本机证书</h1>{body}<p><a href="/">返回登录</a></p></main></body></html>"""
_NONE: Final = "<p>这里没有使用自行签发的证书，不需要安装。</p>"
_INSTALL: Final = """<p>值班台使用自己签发的证书加密。每台值班电脑安装一次，浏览器就不再警告。</p>
<p><a href="/ca.crt" download="property-hub-ca.crt">下载证书 property-hub-ca.crt</a></p>
<ol><li>Windows：双击文件，选“安装证书”，存储位置选“本地计算机”，放入“受信任的根证书颁发机构”。</li>
<li>macOS：双击文件加入“系统”钥匙串，再设为“始终信任”。</li>
<li>统信 UOS、麒麟等：浏览器设置的“证书管理”里，在“授权中心”导入，并信任其标识网站。</li>
<li>手机：在系统设置里按“安装证书（CA 证书）”。</li></ol>
<p>安装前请核对指纹（SHA-256），应与服务器数据目录 tls 里的 ca.crt 一致：</p><p><code>{print}</code></p>"""


@routes.get("/livez")
async def livez() -> dict[str, bool]:
    """This process answers."""
    return {"alive": True}


@routes.get("/readyz")
async def readyz(here: Here) -> JSONResponse:
    """200 when people can work with the page, else 503; each check with its reason."""
    checks = {"store": "ok", "pulse": "ok", "incidents": "ok"}
    try:
        await here.store.ping()
    except TransientError as error:
        checks["store"] = str(error)
    silence = time.monotonic() - here.pulse.told_at
    if silence > LATE:
        checks["pulse"] = f"no tick for {silence:.0f} s"
    deaf = time.monotonic() - here.listened_at
    if deaf > LATE:
        checks["incidents"] = f"nothing taken from the incidents topic for {deaf:.0f} s"
    ready = all(word == "ok" for word in checks.values())
    return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)


@routes.get("/metrics")
async def figures() -> Response:
    """For Prometheus."""
    return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


@routes.get("/ca.crt")
async def authority(here: Here) -> FileResponse:
    """The certificate of the hub's own authority. It is public; its key never leaves the data folder."""
    if here.tls is None or here.tls.authority is None:
        raise HTTPException(404, "这里没有自行签发的证书")
    return FileResponse(here.tls.authority, media_type="application/x-x509-ca-cert", filename="property-hub-ca.crt")


@routes.get("/install-ca")
async def install_authority(here: Here) -> HTMLResponse:
    """How to install it, in a control room's words."""
    if here.tls is None or here.tls.authority is None:
        return HTMLResponse(_PAGE.replace("{body}", _NONE))
    return HTMLResponse(_PAGE.replace("{body}", _INSTALL.replace("{print}", here.tls.fingerprint)))
