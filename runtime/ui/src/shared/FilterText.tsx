import { TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { type ReactNode, useEffect, useRef, useState } from 'react';

interface FilterTextProps {
  label: string;
  placeholder: string;
  width: number;
  /** The filter as the address has it. */
  value: string | undefined;
  onChange: (value: string) => void;
  icon?: ReactNode;
}

/** A filter that is typed. The address follows a moment after the last letter, and the field follows the address. */
export function FilterText({ label, placeholder, width, value = '', onChange, icon }: FilterTextProps): ReactNode {
  const [typed, setTyped] = useState(value);
  const told = useRef(value);
  const tell = useDebouncedCallback((text: string) => {
    told.current = text;
    onChange(text);
  }, 250);
  useEffect(() => {
    if (value !== told.current) {
      tell.cancel(); // what was typed before is no filter of this address
      told.current = value;
      setTyped(value);
    }
  }, [value, tell]);
  return (
    <TextInput
      size="xs"
      w={width}
      aria-label={label}
      placeholder={placeholder}
      leftSection={icon}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        tell(event.currentTarget.value.trim());
      }}
    />
  );
}
