import { cancelButton } from './cancel-button.ts';
import { recheckButton } from './recheck-button.ts';
import type { RunButton, RunForm } from './run-button.ts';

/** Every button that the front hears. */
export const frontButtons: readonly RunButton[] = [cancelButton, recheckButton];

/** Every modal whose sending in the front hears. */
export const frontForms: readonly RunForm[] = [];
