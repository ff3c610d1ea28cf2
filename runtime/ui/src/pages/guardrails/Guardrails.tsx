import { Button, Group, SegmentedControl, Textarea } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { type Schemas, send, useChange, useGet } from '@/api/client';
import { may, useMe } from '@/api/me';
import { Card, Chip, Facts } from '@/shared/parts';
import { Page } from '@/shared/Page';
import { Empty, Loaded } from '@/shared/states';

type Guardrail = Schemas['ShownGuardrail'];

const MOMENTS: Record<string, string> = { pre_call: 'before the call', post_call: 'before the answer is sent', during_call: 'beside the call' };

/** When a guardrail is asked, in words. */
export function momentsOf(mode: readonly string[]): string {
  return mode.map((each) => MOMENTS[each] ?? each).join(', ');
}

/** What happens where a guardrail does not answer, or answers with an error. */
export function failuresOf(params: Guardrail['litellm_params']): string {
  const unreached = params.unreachable_fallback === 'fail_open' ? 'goes on' : 'is refused';
  const failed = params.fail_on_error ? 'is refused' : 'goes on';
  return unreached === failed ? `the call ${failed}` : `the call ${unreached} where it is not reached, and ${failed} where it answers with an error`;
}

/** The guardrails in force, in their order, and a text to try them with. */
export default function Guardrails(): ReactNode {
  const me = useMe();
  const found = useGet('/guardrails/list');
  return (
    <Page title="Guardrails">
      <Loaded of={found} rows={6}>
        {({ guardrails }) =>
          guardrails.length === 0 ? (
            <Card><Empty title="No guardrails">The config file names them under <span className="mono">guardrails</span>. Each is asked about prompts or answers, in the order of the file.</Empty></Card>
          ) : (
            guardrails.map((each, n) => <GuardrailCard key={each.guardrail_name} of={each} place={n + 1} tries={may(me, 'settings_write')} />)
          )
        }
      </Loaded>
    </Page>
  );
}

function GuardrailCard({ of, place, tries }: { of: Guardrail; place: number; tries: boolean }): ReactNode {
  const params = of.litellm_params;
  return (
    <Card title={`${place}. ${of.guardrail_name}`} aside={params.default_on ? <Chip tone="ok">every call</Chip> : <Chip tone="idle">where it is asked for</Chip>}>
      <div className="stack">
        <Facts
          of={[
            ['Kind', params.guardrail],
            ['Asked', momentsOf(params.mode)],
            ['Where it fails', failuresOf(params)],
            ['Texts go to', params.residency === 'local' ? <Chip key="l" tone="ok">a machine of your own</Chip> : <Chip key="c" tone="warn">a cloud</Chip>],
            ['From', of.guardrail_definition_location === 'config' ? 'the config file' : of.guardrail_definition_location],
          ]}
        />
        {tries && <Try name={of.guardrail_name} mode={params.mode} />}
      </div>
    </Card>
  );
}

/** Asks the guardrail about a text, as a call would. */
function Try({ name, mode }: { name: string; mode: readonly string[] }): ReactNode {
  const [text, setText] = useState('');
  const [kind, setKind] = useState(mode.includes('pre_call') || !mode.includes('post_call') ? 'request' : 'response');
  const asked = useChange(() => send('post', '/guardrails/apply_guardrail', { guardrail_name: name, text, input_type: kind }), { quiet: true });
  return (
    <form
      className="stack"
      style={{ gap: 8 }}
      onSubmit={(event) => {
        event.preventDefault();
        asked.mutate(undefined);
      }}
    >
      <Textarea size="xs" label="Try a text" placeholder="My card is 4111 1111 1111 1111" required autosize minRows={1} maxRows={6} value={text} onChange={(event) => setText(event.currentTarget.value)} />
      <Group gap="xs">
        <SegmentedControl size="xs" aria-label="What the text is" value={kind} onChange={setKind} data={[{ value: 'request', label: 'a prompt' }, { value: 'response', label: 'an answer' }]} />
        <Button type="submit" variant="default" loading={asked.isPending}>Ask</Button>
      </Group>
      {asked.isSuccess && <div role="status"><Chip tone={asked.data.response_text === text ? 'ok' : 'warn'}>{asked.data.response_text === text ? 'let through as it is' : 'let through, changed'}</Chip>{asked.data.response_text !== text && <pre className="code">{asked.data.response_text}</pre>}</div>}
      {asked.isError && <div role="alert"><Chip tone="bad">{asked.error.message}</Chip></div>}
    </form>
  );
}
