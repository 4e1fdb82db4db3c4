import { Button, Input, createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

const beam: MantineColorsTuple = ['var(--beam-bg)', 'var(--beam-bg)', 'var(--beam-line)', 'var(--beam-line)', 'var(--beam)', 'var(--beam)', 'var(--beam-solid)', 'var(--beam-solid)', 'var(--beam-solid)', 'var(--beam-solid)'];

/** Maps the tokens to Mantine once; nothing else sets Mantine's colours. */
export const theme = createTheme({
  primaryColor: 'beam',
  primaryShade: 6,
  colors: { beam },
  fontFamily: 'var(--sans)',
  fontFamilyMonospace: 'var(--mono)',
  defaultRadius: 6,
  cursorType: 'pointer',
  respectReducedMotion: true,
  fontSizes: { xs: '11px', sm: '12px', md: '13px', lg: '15px', xl: '18px' },
  spacing: { xs: '4px', sm: '8px', md: '12px', lg: '16px', xl: '24px' },
  variantColorResolver: (i) => ({
    background: i.variant === 'filled' ? (i.color === 'danger' ? 'var(--crit-solid)' : 'var(--primary)') : i.variant === 'subtle' ? 'transparent' : 'var(--page)',
    hover: i.variant === 'filled' ? (i.color === 'danger' ? 'color-mix(in srgb, var(--crit-solid) 88%, black)' : 'color-mix(in srgb, var(--primary) 86%, var(--page))') : 'var(--hover)',
    color: i.variant === 'filled' ? (i.color === 'danger' ? 'var(--on-crit)' : 'var(--on-primary)') : 'var(--ink)',
    border: i.variant === 'default' ? '1px solid var(--line2)' : '1px solid transparent',
  }),
  components: {
    Button: Button.extend({
      defaultProps: { variant: 'default', size: 'sm' },
      vars: (_t, p) => ({
        root: {
          '--button-height': p.size === 'xs' ? '26px' : p.size === 'lg' ? '36px' : p.size === 'xl' ? '48px' : '30px',
          '--button-padding-x': p.size === 'xl' ? '14px' : '10px',
          '--button-fz': p.size === 'xs' ? '12px' : p.size === 'xl' ? '15px' : '13px',
        },
      }),
    }),
    Input: Input.extend({ defaultProps: { size: 'sm' }, vars: () => ({ wrapper: { '--input-height': '30px', '--input-fz': '13px', '--input-padding': '8px' } }) }),
    Modal: { defaultProps: { overlayProps: { backgroundOpacity: 0.35 }, transitionProps: { duration: 120 } } },
    Menu: { defaultProps: { transitionProps: { duration: 120 }, shadow: 'none', position: 'bottom-end' } },
    Tooltip: { defaultProps: { openDelay: 300, transitionProps: { duration: 120 }, events: { hover: true, focus: true, touch: false } } },
  },
});

const shared = {
  '--mantine-color-body': 'var(--page)',
  '--mantine-color-text': 'var(--ink)',
  '--mantine-color-dimmed': 'var(--ink3)',
  '--mantine-color-placeholder': 'var(--ink3)',
  '--mantine-color-default': 'var(--page)',
  '--mantine-color-default-hover': 'var(--hover)',
  '--mantine-color-default-border': 'var(--ctl)',
  '--mantine-color-default-color': 'var(--ink)',
  '--mantine-color-error': 'var(--crit)',
  '--mantine-color-anchor': 'var(--beam)',
  '--mantine-primary-color-filled': 'var(--beam-solid)',
  '--mantine-primary-color-filled-hover': 'var(--beam-solid)',
  '--mantine-primary-color-light': 'var(--beam-bg)',
  '--mantine-primary-color-contrast': 'var(--on-beam)',
};

export const cssVariables: CSSVariablesResolver = () => ({ variables: {}, light: shared, dark: shared });
