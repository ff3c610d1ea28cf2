import { Button, FileButton, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { send, useChange } from '@/api/client';
import { useConfirm } from '@/shared/confirm';
import { count, money } from '@/shared/format';
import { Card, Chip } from '@/shared/parts';

/** A provider's export beside the ledger: differences by model and day, with their likely cause. */
export function Bills({ writes }: { writes: boolean }): ReactNode {
  const confirm = useConfirm();
  const [csv, setCsv] = useState('');
  const [name, setName] = useState('');
  const [provider, setProvider] = useState('');
  const compare = useChange((more: Record<string, unknown>) => send('post', '/spend/reconcile', { csv, ...(provider.trim() ? { provider: provider.trim() } : {}), ...more }), { quiet: true, refreshes: ['/spend/uncertain'] });
  const report = compare.data;

  async function take(file: File | null): Promise<void> {
    if (file === null) return;
    setCsv(await file.text());
    setName(file.name);
    compare.reset();
  }

  if (!writes) return null;
  return (
    <Card title="A provider's bill beside the ledger" aside="a cost export of OpenAI, Anthropic, or date,model,cost">
      <div className="row" style={{ alignItems: 'end' }}>
        <FileButton onChange={(file) => void take(file)} accept=".csv,text/csv">
          {(props) => <Button variant="default" {...props}>{name || 'Choose the CSV file'}</Button>}
        </FileButton>
        <TextInput size="xs" aria-label="Provider" placeholder="Provider, for a plain export" value={provider} onChange={(event) => setProvider(event.currentTarget.value)} />
        <Button disabled={!csv} loading={compare.isPending} onClick={() => compare.mutate({})}>Compare</Button>
        {report && (
          <Button variant="default" onClick={() => confirm({ title: 'Correct by the bill', effect: 'The uncertain and estimated calls get their shares of what was billed. Rows with exact counts stay as they are.', action: 'Correct', asksReason: true, run: (reason) => compare.mutateAsync({ apply: true, reason }) })}>
            Correct the uncertain rows
          </Button>
        )}
      </div>
      {compare.isError && <div role="alert" className="note bad" style={{ marginTop: 10 }}>{compare.error.message}</div>}
      {report && (
        <div style={{ overflowX: 'auto', marginTop: 12 }}>
          <table className="plain">
            <thead><tr><th>Day</th><th>Model</th><th className="num">Ours</th><th className="num">Theirs</th><th className="num">Difference</th><th className="num">Calls</th><th>Likely cause</th></tr></thead>
            <tbody>
              {report.lines.map((line) => (
                <tr key={`${line.date} ${line.model}`}><td>{line.date}</td><td>{line.model}</td><td className="num">{money(line.ours)}</td><td className="num">{money(line.theirs)}</td><td className="num">{money(line.difference)}</td><td className="num">{count(line.rows)}</td><td>{line.causes.length === 0 ? <Chip tone="ok">it agrees</Chip> : line.causes.map((cause) => cause.replaceAll('_', ' ')).join(', ')}</td></tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
