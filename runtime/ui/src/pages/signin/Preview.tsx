import { Button, Textarea } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { send, useChange } from '@/api/client';
import { roleWord } from '@/api/me';
import { Card, Chip, Facts } from '@/shared/parts';

const EXAMPLE = '{\n  "email": "ada@example.com",\n  "email_verified": true,\n  "groups": ["Platform"]\n}';

/** What a sign-in with these claims would do. Nothing is changed. */
export function Preview(): ReactNode {
  const [text, setText] = useState(EXAMPLE);
  const [failed, setFailed] = useState('');
  const preview = useChange((claims: Record<string, unknown>) => send('post', '/sso/preview', { claims }), { quiet: true });

  function submit(): void {
    setFailed('');
    try {
      preview.mutate(JSON.parse(text) as Record<string, unknown>, { onError: (error) => setFailed(error.message) });
    } catch {
      setFailed('The claims are not JSON.');
    }
  }

  return (
    <Card title="What would these claims do?" aside="nothing is changed">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Textarea aria-label="Claims as JSON" autosize minRows={5} maxRows={14} value={text} onChange={(event) => setText(event.currentTarget.value)} styles={{ input: { fontFamily: 'var(--mono)', fontSize: 12 } }} />
        <Button type="submit" variant="default" loading={preview.isPending} style={{ justifySelf: 'start' }}>Look</Button>
        {failed && <div role="alert" className="note bad">{failed}</div>}
        {preview.data && (
          <Facts
            of={[
              ['May sign in', preview.data.may_sign_in === false ? <Chip tone="bad">no</Chip> : <Chip tone="ok">yes</Chip>],
              ['User', preview.data.user_id ?? 'a new one'],
              ['Found by', preview.data.linked_by],
              ['Role now', preview.data.role && roleWord(preview.data.role)],
              ['Role then', preview.data.new_role ? roleWord(preview.data.new_role) : 'stays'],
              ['Joins', preview.data.joins.join(', ')],
              ['Leaves', preview.data.leaves.join(', ')],
            ]}
          />
        )}
      </form>
    </Card>
  );
}
