import { Button, Switch, Textarea } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { useGet } from '@/api/client';
import { Page } from '@/shared/Page';
import { Empty, Loaded } from '@/shared/states';
import { useFilters } from '@/shared/url';
import { Column } from './Column';

/** Chat with one model, or with two side by side. */
export default function Playground(): ReactNode {
  const [filters, change] = useFilters();
  const models = useGet('/v1/models');
  const [text, setText] = useState('');
  const [sent, setSent] = useState<{ text: string; number: number }>({ text: '', number: 0 });
  const two = filters.and !== undefined;

  function submit(): void {
    if (!text.trim()) return;
    setSent({ text: text.trim(), number: sent.number + 1 });
    setText('');
  }

  return (
    <Page title="Playground" tools={<Switch size="xs" label="Two models" checked={two} onChange={(event) => change({ and: event.currentTarget.checked ? '1' : undefined, other: undefined })} />}>
      <Loaded of={models} rows={6}>
        {({ data }) => {
          const names = [...new Set(data.map((card) => card.id).filter((name) => !name.includes('*')))];
          if (names.length === 0) return <Empty title="No model to talk to">Once you may use a model, you can try it here.</Empty>;
          const first = filters.model ?? names[0]!;
          const second = filters.other ?? names.find((name) => name !== first) ?? first;
          return (
            <>
              <div className={two ? 'cols half' : 'cols'}>
                <Column names={names} model={first} onModel={(model) => change({ model })} sent={sent} />
                {two && <Column names={names} model={second} onModel={(other) => change({ other })} sent={sent} />}
              </div>
              <form
                className="row"
                style={{ alignItems: 'end', flexWrap: 'nowrap' }}
                onSubmit={(event) => {
                  event.preventDefault();
                  submit();
                }}
              >
                <Textarea
                  aria-label="Message"
                  placeholder="Write a message. Enter sends it, Shift-Enter makes a new line."
                  autosize
                  minRows={2}
                  maxRows={10}
                  value={text}
                  style={{ flex: 1 }}
                  onChange={(event) => setText(event.currentTarget.value)}
                  onKeyDown={(event) => {
                    if (event.key === 'Enter' && !event.shiftKey) {
                      event.preventDefault();
                      submit();
                    }
                  }}
                />
                <Button type="submit" size="md" disabled={!text.trim()}>Send</Button>
              </form>
              <p className="dim small" style={{ margin: 0 }}>Answers cost what they cost by a key: they count towards your own budget and stand in Activity.</p>
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
