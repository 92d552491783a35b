import { type CSSVariablesResolver, createTheme, type ModalProps, type TooltipProps } from '@mantine/core';

export const theme = createTheme({
  primaryColor: 'indigo',
  // Mantine's dark greys with the tint of our surfaces.
  colors: {
    dark: [
      '#e4e7f0',
      '#c3c9d9',
      '#a3acc0',
      '#7d879f',
      '#3b445a',
      '#2c3344',
      '#222838',
      '#1a1e29',
      '#151923',
      '#11141c',
    ],
  },
  // Shades at which white text on the accent, and the accent on a card, reach the contrast of WCAG AA.
  primaryShade: { light: 7, dark: 7 },
  defaultRadius: 'md',
  radius: { xs: '3px', sm: '5px', md: '8px', lg: '12px', xl: '20px' },
  spacing: { xs: '8px', sm: '12px', md: '16px', lg: '24px', xl: '32px' },
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  headings: { fontWeight: '600' },
  respectReducedMotion: true,
  // Named without the components themselves: the code of a window is loaded with the first window.
  components: {
    Modal: {
      defaultProps: {
        centered: true,
        overlayProps: { backgroundOpacity: 0.45 },
        // A header inside a dialog is no banner of the page.
        attributes: { header: { role: 'presentation' } },
        styles: { title: { fontWeight: 600 } },
        transitionProps: { duration: 100 },
      } satisfies Partial<ModalProps>,
    },
    Tooltip: {
      defaultProps: { openDelay: 150, transitionProps: { duration: 80 } } satisfies Partial<TooltipProps>,
    },
  },
});

/** Mantine's own variables, tied to our surfaces; its placeholder and dimmed text are too pale to read. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#ffffff',
    '--mantine-color-text': '#1b2031',
    '--mantine-color-dimmed': '#586175',
    '--mantine-color-placeholder': '#687086',
    '--mantine-color-error': '#b3261e',
    '--mantine-color-anchor': '#3b57d6',
    '--mantine-color-default-border': '#c9d0e0',
    '--input-bd': '#8f99b0',
  },
  dark: {
    '--mantine-color-body': '#1a1e29',
    '--mantine-color-text': '#e4e7f0',
    '--mantine-color-dimmed': '#a3acc0',
    '--mantine-color-placeholder': '#97a0b6',
    '--mantine-color-error': '#ff9d94',
    '--mantine-color-anchor': '#9db1ff',
    '--mantine-color-default': '#222838',
    '--mantine-color-default-hover': '#2a3144',
    '--mantine-color-default-border': '#3b445a',
  },
});
