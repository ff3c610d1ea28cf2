"""Drives one Python client through its tasks against a gateway: `drive.py CLIENT URL KEY MODEL...`.

It runs under an interpreter that has the clients, and prints one line of JSON for each task of each model:
its name, and what went wrong (null: nothing did). It imports nothing of this repository.
"""

# mypy: ignore-errors
# ruff: noqa: T201, ANN, D103

import asyncio
import json
import sys

SENTENCE = "The keystone carries the load."
ANSWER = "It is sunny in Rome."
QUESTION = "What carries the load?"
WEATHER = "What is the weather in Rome?"
EXTRACT = "Rome has 2.8 million people. Extract the facts."
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["city", "population"],
    "additionalProperties": False,
}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def same(found, wanted):
    assert found == wanted, f"{found!r} in place of {wanted!r}"


def openai_chat(url, key, model, client=None):
    import openai

    client = client or openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    ask = [{"role": "user", "content": QUESTION}]
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}

    def plain():
        same(client.chat.completions.create(model=model, messages=ask).choices[0].message.content, SENTENCE)

    def stream():
        chunks = list(client.chat.completions.create(model=model, messages=ask, stream=True))
        same("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), SENTENCE)
        same(len({c.id for c in chunks}), 1)

    def tools():
        messages = [{"role": "user", "content": WEATHER}]
        first = client.chat.completions.create(model=model, messages=messages, tools=[tool])
        (call,) = first.choices[0].message.tool_calls
        same(json.loads(call.function.arguments), {"city": "Rome"})
        messages += [
            first.choices[0].message,
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ]
        second = client.chat.completions.create(model=model, messages=messages, tools=[tool])
        same(second.choices[0].message.content, ANSWER)

    def schema():
        from pydantic import BaseModel

        class Facts(BaseModel):
            city: str
            population: int

        found = client.chat.completions.parse(
            model=model, messages=[{"role": "user", "content": EXTRACT}], response_format=Facts
        )
        same(found.choices[0].message.parsed.city, "Rome")

    return plain, stream, tools, schema


def azure(url, key, model):
    import openai

    client = openai.AzureOpenAI(azure_endpoint=url, api_key=key, api_version="2024-10-21", max_retries=0)
    return openai_chat(url, key, model, client)


def openai_responses(url, key, model):
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    tool = {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False}

    def plain():
        same(client.responses.create(model=model, input=QUESTION, store=False).output_text, SENTENCE)

    def stream():
        with client.responses.stream(model=model, input=QUESTION, store=False) as events:
            numbers = [event.sequence_number for event in events]
            same(numbers, sorted(set(numbers)))
            same(events.get_final_response().output_text, SENTENCE)

    def tools():
        turns = [{"role": "user", "content": WEATHER}]
        first = client.responses.create(model=model, input=turns, tools=[tool], store=False)
        call = next(item for item in first.output if item.type == "function_call")
        same(json.loads(call.arguments), {"city": "Rome"})
        turns += [*first.output, {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
        second = client.responses.create(model=model, input=turns, tools=[tool], store=False)
        same(second.output_text, ANSWER)

    def schema():
        from pydantic import BaseModel

        class Facts(BaseModel):
            city: str
            population: int

        found = client.responses.parse(model=model, input=EXTRACT, text_format=Facts, store=False)
        same(found.output_parsed.city, "Rome")

    return plain, stream, tools, schema


def anthropic_messages(url, key, model):
    import anthropic

    client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)
    tool = {"name": "get_weather", "input_schema": PARAMETERS}

    def ask(messages, **more):
        return client.messages.create(model=model, max_tokens=100, messages=messages, **more)

    def plain():
        same(ask([{"role": "user", "content": QUESTION}]).content[0].text, SENTENCE)

    def stream():
        messages = [{"role": "user", "content": QUESTION}]
        with client.messages.stream(model=model, max_tokens=100, messages=messages) as events:
            same("".join(events.text_stream), SENTENCE)
            same(events.get_final_message().stop_reason, "end_turn")

    def tools():
        messages = [{"role": "user", "content": WEATHER}]
        first = ask(messages, tools=[tool])
        call = next(block for block in first.content if block.type == "tool_use")
        same(call.input, {"city": "Rome"})
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        messages += [
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result]},
        ]
        same(ask(messages, tools=[tool]).content[0].text, ANSWER)

    def schema():
        forced = {"name": "facts", "input_schema": SCHEMA}
        choice = {"type": "tool", "name": "facts"}
        found = ask([{"role": "user", "content": EXTRACT}], tools=[forced], tool_choice=choice)
        same(found.content[0].input["city"], "Rome")

    return plain, stream, tools, schema


def langchain(chat_model):
    from pydantic import BaseModel

    class Facts(BaseModel):
        """Facts of a city."""

        city: str
        population: int

    def get_weather(city: str) -> str:
        """The weather in a city."""
        return "sunny"

    def plain():
        same(chat_model.invoke(QUESTION).text, SENTENCE)

    def stream():
        same("".join(chunk.text for chunk in chat_model.stream(QUESTION)), SENTENCE)

    def tools():
        from langchain_core.messages import HumanMessage, ToolMessage

        bound = chat_model.bind_tools([get_weather])
        first = bound.invoke([HumanMessage(WEATHER)])
        (call,) = first.tool_calls
        same(call["args"], {"city": "Rome"})
        result = ToolMessage("sunny", tool_call_id=call["id"])
        same(bound.invoke([HumanMessage(WEATHER), first, result]).text, ANSWER)

    def schema():
        same(chat_model.with_structured_output(Facts).invoke(EXTRACT).city, "Rome")

    return plain, stream, tools, schema


def langchain_openai(url, key, model):
    from langchain_openai import ChatOpenAI

    return langchain(ChatOpenAI(base_url=f"{url}/v1", api_key=key, model=model, max_retries=0))


def langchain_responses(url, key, model):
    from langchain_openai import ChatOpenAI

    return langchain(
        ChatOpenAI(
            base_url=f"{url}/v1", api_key=key, model=model, max_retries=0, use_responses_api=True, store=False
        )
    )


def langchain_anthropic(url, key, model):
    from langchain_anthropic import ChatAnthropic

    return langchain(ChatAnthropic(base_url=url, api_key=key, model=model, max_retries=0, max_tokens=100))


def pydantic_ai(model):
    from pydantic import BaseModel
    from pydantic_ai import Agent, ToolOutput

    class Facts(BaseModel):
        city: str
        population: int

    def plain():
        same(Agent(model).run_sync(QUESTION).output, SENTENCE)

    def stream():
        async def run():
            async with Agent(model).run_stream(QUESTION) as result:
                return [piece async for piece in result.stream_text(delta=True)]

        same("".join(asyncio.run(run())), SENTENCE)

    def tools():
        agent = Agent(model)

        @agent.tool_plain
        def get_weather(city: str) -> str:
            return "sunny"

        same(agent.run_sync(WEATHER).output, ANSWER)

    def schema():
        same(Agent(model, output_type=ToolOutput(Facts)).run_sync(EXTRACT).output.city, "Rome")

    return plain, stream, tools, schema


def pydantic_ai_openai(url, key, model):
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return pydantic_ai(OpenAIChatModel(model, provider=OpenAIProvider(base_url=f"{url}/v1", api_key=key)))


def instructor_openai(url, key, model):
    import instructor
    import openai
    from pydantic import BaseModel

    client = instructor.from_openai(openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0))

    class Facts(BaseModel):
        city: str
        population: int

    messages = [{"role": "user", "content": EXTRACT}]

    def plain():
        same(client.create(model=model, messages=messages, response_model=Facts).city, "Rome")

    def stream():
        found = list(client.create_partial(model=model, messages=messages, response_model=Facts))
        same(found[-1].population, 2_800_000)

    return plain, stream


def openai_agents(url, key, model):
    import agents
    import openai

    agents.set_tracing_disabled(True)

    def served():
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
        return agents.OpenAIResponsesModel(model=model, openai_client=client)

    settings = agents.ModelSettings(store=False)

    @agents.function_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return "sunny"

    def run(question, tools=()):
        agent = agents.Agent(name="a", model=served(), tools=list(tools), model_settings=settings)
        return asyncio.run(agents.Runner.run(agent, question)).final_output

    def plain():
        same(run(QUESTION), SENTENCE)

    def stream():
        async def streamed():
            agent = agents.Agent(name="a", model=served(), model_settings=settings)
            result = agents.Runner.run_streamed(agent, QUESTION)
            async for _ in result.stream_events():
                pass
            return result.final_output

        same(asyncio.run(streamed()), SENTENCE)

    def tools():
        same(run(WEATHER, [get_weather]), ANSWER)

    return plain, stream, tools


def llama_index(url, key, model):
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    llm = OpenAILike(model=model, api_base=f"{url}/v1", api_key=key, is_chat_model=True, max_retries=0)
    ask = [ChatMessage(role="user", content=QUESTION)]

    def plain():
        same(llm.chat(ask).message.content, SENTENCE)

    def stream():
        same("".join(piece.delta or "" for piece in llm.stream_chat(ask)), SENTENCE)

    return plain, stream


CLIENTS = {
    each.__name__: each
    for each in (
        openai_chat, azure, openai_responses, anthropic_messages, langchain_openai, langchain_responses,
        langchain_anthropic, pydantic_ai_openai, instructor_openai, openai_agents,
        llama_index,
    )
}  # fmt: skip


def main(name, url, key, *models):
    for model in models:
        for task in CLIENTS[name](url, key, model):
            try:
                task()
            except Exception as exc:
                failed = f"{type(exc).__name__}: {exc}"[:600]
            else:
                failed = None
            print(json.dumps({"model": model, "task": task.__name__, "failed": failed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
