import { Button, Group, Modal, TextInput } from '@mantine/core';
import { type ReactNode, createContext, useCallback, useContext, useState } from 'react';

interface Question {
  title: string;
  /** What will happen: `3 keys will stop working.` */
  effect: ReactNode;
  action: string;
  /** Whether a reason has to be given. */
  asksReason?: boolean;
  run: (reason: string) => Promise<unknown>;
}

const Asking = createContext<(question: Question) => void>(() => undefined);

/** Ask before something is done that can't be undone. */
export function useConfirm(): (question: Question) => void {
  return useContext(Asking);
}

/** Holds the one dialog in which such questions are asked. */
export function ConfirmProvider({ children }: { children: ReactNode }): ReactNode {
  const [question, setQuestion] = useState<Question | null>(null);
  const [reason, setReason] = useState('');
  const [runs, setRuns] = useState(false);
  const [failed, setFailed] = useState('');
  const ask = useCallback((next: Question) => {
    setReason('');
    setFailed('');
    setQuestion(next);
  }, []);

  async function run(): Promise<void> {
    if (question === null) return;
    setRuns(true);
    try {
      await question.run(reason);
      setQuestion(null);
    } catch (error) {
      setFailed(error instanceof Error ? error.message : String(error));
    } finally {
      setRuns(false);
    }
  }

  return (
    <Asking.Provider value={ask}>
      {children}
      <Modal opened={question !== null} onClose={() => setQuestion(null)} title={question?.title} centered zIndex={400}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void run();
          }}
        >
          <div>{question?.effect}</div>
          {question?.asksReason && (
            <TextInput mt="sm" label="Reason" description="It stands in the audit log." required value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
          )}
          {failed && <p role="alert" style={{ color: 'var(--bad)', margin: '10px 0 0' }}>{failed}</p>}
          <Group justify="flex-end" mt="lg">
            <Button variant="default" onClick={() => setQuestion(null)}>
              Cancel
            </Button>
            <Button color="red" type="submit" loading={runs} data-autofocus>
              {question?.action}
            </Button>
          </Group>
        </form>
      </Modal>
    </Asking.Provider>
  );
}
