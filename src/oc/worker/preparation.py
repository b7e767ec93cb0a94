"""The base image is made beside everything else: what runs is served meanwhile, only creates wait for it."""

from __future__ import annotations

import asyncio

import structlog

from oc.model.errors import OpenComputerError, Unavailable
from oc.worker.parts import Images

log = structlog.get_logger()

AGAIN_S = 30.0


class Preparation:
    def __init__(self, images: Images) -> None:
        self._images = images
        self.detail: str | None = "the base image is looked for"  # None once all is ready

    async def run(self) -> None:
        """Until it has worked: a mirror that is away comes back."""
        while self.detail is not None:
            try:
                await self._images.ensure(self._progress)
                self.detail = None
            except (OpenComputerError, OSError) as error:
                log.exception("the base image cannot be made")
                self.detail = f"the base image cannot be made: {error}"
                await asyncio.sleep(AGAIN_S)

    def _progress(self, text: str) -> None:
        log.info("preparing", detail=text)
        self.detail = text

    def check(self) -> None:
        """Raises Unavailable until sandboxes can be made."""
        if self.detail is not None:
            raise Unavailable(f"the host is not ready for new sandboxes: {self.detail}", hint="try again later")
