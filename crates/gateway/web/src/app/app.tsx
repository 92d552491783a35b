import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { Suspense } from 'react';
import { cspNonce } from '~/shared/lib/csp';
import { LiveRegion } from '~/shared/ui/live-region';
import { Toasts } from '~/shared/ui/toasts';
import { queryClient, router } from './router';
import { cssVariables, theme } from './theme';

// The key is also read by public/theme.js, before anything is painted.
const colorScheme = localStorageColorSchemeManager({ key: 'clientele.color-scheme' });

export function App() {
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      colorSchemeManager={colorScheme}
      defaultColorScheme="auto"
      getStyleNonce={cspNonce}
    >
      <QueryClientProvider client={queryClient}>
        <LiveRegion />
        <Toasts />
        <Suspense fallback={null}>
          <RouterProvider router={router} />
        </Suspense>
      </QueryClientProvider>
    </MantineProvider>
  );
}
