import { type ReactNode, createContext, useContext, useEffect } from 'react';
import { createPortal } from 'react-dom';
import { TITLE } from '@/api/place';

interface Slots {
  title: HTMLElement | null;
  tools: HTMLElement | null;
}

/** Where pages put their title and their pickers: the bar at the top, once it is there. */
export const SlotContext = createContext<Slots>({ title: null, tools: null });

interface PageProps {
  title: string;
  /** Pickers of the range and the scope, and the page's main action. */
  tools?: ReactNode;
  children: ReactNode;
}

/** A page: its title and tools in the bar, its content below. */
export function Page({ title, tools, children }: PageProps): ReactNode {
  const slots = useContext(SlotContext);
  useEffect(() => {
    document.title = `${title} - ${TITLE}`;
  }, [title]);
  return (
    <>
      {slots.title && createPortal(title, slots.title)}
      {tools && slots.tools && createPortal(tools, slots.tools)}
      <div className="stack">{children}</div>
    </>
  );
}
