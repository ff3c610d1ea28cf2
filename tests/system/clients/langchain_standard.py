"""LangChain's standard tests of a chat model, for its own integrations at a gateway's models.

They run under an interpreter that has LangChain. This file imports nothing of the repository."""

# mypy: ignore-errors

import base64
import os
from types import SimpleNamespace

import anthropic
import httpx
import openai
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

URL, KEY = os.environ["GATEWAY_URL"], os.environ["GATEWAY_KEY"]
UPSTREAMS = os.environ["GATEWAY_UPSTREAMS"].split()
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
httpx.get = lambda *_, **__: SimpleNamespace(content=PICTURE)  # the tests read pictures from the internet


class Standard(ChatModelIntegrationTests):
    __test__ = False
    upstream = ""
    supports_image_inputs = True
    supports_image_tool_message = True
    supports_json_mode = True

    @property
    def model_override_value(self):
        return f"{self.upstream}/client"

    @property
    def chat_model_params(self):
        return {"model": f"{self.upstream}/obeys", "max_retries": 0, **self.address}


class OpenAIChat(Standard):
    chat_model_class = ChatOpenAI
    address = {"base_url": f"{URL}/v1", "api_key": KEY, "stream_usage": True}
    supports_image_urls = False


class OpenAIResponses(OpenAIChat):
    address = {**OpenAIChat.address, "use_responses_api": True}


class Messages(Standard):
    chat_model_class = ChatAnthropic
    address = {"base_url": URL, "api_key": KEY}
    supports_anthropic_inputs = True
    supports_json_mode = False


@pytest.mark.parametrize("surface", [OpenAIChat, Messages])
def test_a_model_of_responses_alone_refuses_stop_sequences_by_name(surface):
    """Responses have none. The standard test of them is left out there (`tests/system/test_clients.py`)."""
    model = surface.chat_model_class(model="alone/client", max_retries=0, **surface.address)
    with pytest.raises((openai.BadRequestError, anthropic.BadRequestError), match="stop"):
        model.invoke("hi", stop=["you"])


for surface in (OpenAIChat, OpenAIResponses, Messages):
    for upstream in UPSTREAMS:
        name = f"Test{surface.__name__}At{upstream.capitalize()}"
        fields = {"upstream": upstream, "__test__": True, "__module__": __name__}
        if upstream != "ollama":  # it takes no documents: they are refused by name
            fields |= {"supports_pdf_inputs": True, "supports_pdf_tool_message": True}
        globals()[name] = type(name, (surface,), fields)
