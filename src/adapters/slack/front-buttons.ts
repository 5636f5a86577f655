import { cancelButton } from './cancel-button.ts';
import { chooseButton } from './choose-button.ts';
import { diagnoseForm } from './diagnose-form.ts';
import { formButton } from './form-button.ts';
import { recheckButton } from './recheck-button.ts';
import type { RunButton, RunForm } from './run-button.ts';

/** Every button that the front hears. */
export const frontButtons: readonly RunButton[] = [cancelButton, recheckButton, chooseButton, formButton];

/** Every modal whose sending in the front hears. */
export const frontForms: readonly RunForm[] = [diagnoseForm];
