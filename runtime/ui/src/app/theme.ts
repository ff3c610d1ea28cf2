import { Button, Drawer, Menu, Modal, Notification, NumberInput, SegmentedControl, Select, Switch, Tabs, TextInput, Textarea, Tooltip, createTheme, defaultVariantColorsResolver } from '@mantine/core';

/** Small controls in a calm frame; the colours are in theme.css. */
export const theme = createTheme({
  primaryColor: 'teal',
  colors: { dark: ['#e6e8ea', '#c3c8cc', '#98a1aa', '#7b848d', '#32373c', '#23272b', '#17191c', '#101214', '#0c0e0f', '#08090a'] },
  fontFamily: "'Inter Variable', Inter, system-ui, 'Segoe UI', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', Menlo, Consolas, monospace",
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '15px', xl: '18px' },
  defaultRadius: 6,
  cursorType: 'pointer',
  // the accent is light in the dark scheme, so its text is dark there
  variantColorResolver: (input) => {
    const usual = defaultVariantColorsResolver(input);
    if (input.variant !== 'filled' || input.color !== 'teal') return usual;
    return { ...usual, background: 'var(--accent)', hover: 'color-mix(in srgb, var(--accent), #000 10%)', color: 'var(--on-accent)' };
  },
  components: {
    Button: Button.extend({ defaultProps: { size: 'xs' } }),
    TextInput: TextInput.extend({ defaultProps: { size: 'sm' } }),
    Textarea: Textarea.extend({ defaultProps: { size: 'sm' } }),
    NumberInput: NumberInput.extend({ defaultProps: { size: 'sm', hideControls: true } }),
    Select: Select.extend({ defaultProps: { size: 'sm', comboboxProps: { shadow: 'md' } } }),
    Switch: Switch.extend({ defaultProps: { size: 'sm' } }),
    SegmentedControl: SegmentedControl.extend({ styles: { root: { background: 'var(--panel)', border: '1px solid var(--line)' }, indicator: { boxShadow: 'none', background: 'var(--accent-bg)' } } }),
    Tabs: Tabs.extend({ styles: { tab: { padding: '7px 10px', fontSize: 13 } } }),
    Modal: Modal.extend({ defaultProps: { zIndex: 300, closeButtonProps: { 'aria-label': 'Close' }, overlayProps: { backgroundOpacity: 0.35 } } }),
    Drawer: Drawer.extend({ defaultProps: { overlayProps: { backgroundOpacity: 0.15 }, closeButtonProps: { 'aria-label': 'Close' } } }),
    Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false } }), // axe finds it inside the menu; the first item has the focus
    Notification: Notification.extend({ defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 250 } }),
  },
});
