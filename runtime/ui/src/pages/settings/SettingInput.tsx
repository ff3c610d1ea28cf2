import { MultiSelect, NumberInput, Select, TagsInput, TextInput, Textarea } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Entered, Setting } from './settings';

interface SettingInputProps {
  of: Setting;
  label?: string;
  value: Entered;
  onChange: (value: Entered) => void;
}

/** The field of a setting, by its type. */
export function SettingInput({ of, label = of.field_name, value, onChange }: SettingInputProps): ReactNode {
  const shared = { label, description: of.field_description, className: of.field_type === 'List' ? 'wide' : undefined };
  const text = Array.isArray(value) ? '' : value;
  if (of.field_type === 'List') {
    const list = Array.isArray(value) ? value : [];
    if (of.options) return <MultiSelect {...shared} data={of.options} value={list} onChange={onChange} clearable />;
    return <TagsInput {...shared} value={list} onChange={onChange} clearable />;
  }
  if (of.field_type === 'Boolean') {
    return <Select {...shared} data={[{ value: 'true', label: 'on' }, { value: 'false', label: 'off' }]} value={text || null} onChange={(picked) => onChange(picked ?? '')} placeholder="not set" clearable />;
  }
  if (of.options) {
    const needs = of.field_name === 'type';
    return <Select {...shared} data={of.options} value={text || null} onChange={(picked) => onChange(picked ?? '')} placeholder="not set" clearable={!needs} allowDeselect={!needs} />;
  }
  if (of.field_type === 'Integer' || of.field_type === 'Float') {
    return <NumberInput {...shared} value={text} onChange={(number) => onChange(String(number))} min={0} allowDecimal={of.field_type === 'Float'} hideControls />;
  }
  if (of.field_type === 'Dictionary') {
    return <Textarea {...shared} value={text} onChange={(event) => onChange(event.currentTarget.value)} autosize minRows={4} maxRows={16} spellCheck={false} styles={{ input: { fontFamily: 'var(--mono)' } }} />;
  }
  const secret = of.field_name === 'password';
  return <TextInput {...shared} type={secret ? 'password' : 'text'} autoComplete={secret ? 'new-password' : 'off'} value={text} onChange={(event) => onChange(event.currentTarget.value)} />;
}
