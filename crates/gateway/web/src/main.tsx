import './app/styles';
import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/app';
import { reloadOnMissingChunk } from './app/missing-chunk';
import { startI18n } from './shared/i18n';
import { cspNonce } from './shared/lib/csp';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');

// Libraries that write style elements (scroll lock) ask get-nonce.
setNonce(cspNonce());
reloadOnMissingChunk();
await startI18n();
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
