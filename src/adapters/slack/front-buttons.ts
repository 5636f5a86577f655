import { applyButton } from './apply-button.ts';
import { approveButton, withdrawButton } from './approve-button.ts';
import { cancelButton } from './cancel-button.ts';
import { chooseButton } from './choose-button.ts';
import { diagnoseForm } from './diagnose-form.ts';
import { formButton } from './form-button.ts';
import { evidenceButton, evidencePick } from './evidence-button.ts';
import { explainButton } from './explain-button.ts';
import { recheckButton } from './recheck-button.ts';
import type { RunButton, RunForm } from './run-button.ts';
import { wrongVerdictButton, wrongVerdictForm } from './wrong-verdict-button.ts';

/** Every button that the front hears. */
export const frontButtons: readonly RunButton[] = [
  cancelButton,
  recheckButton,
  chooseButton,
  formButton,
  explainButton,
  evidenceButton,
  evidencePick,
  wrongVerdictButton,
  applyButton,
  approveButton,
  withdrawButton,
];

/** Every modal whose sending in the front hears. */
export const frontForms: readonly RunForm[] = [diagnoseForm, wrongVerdictForm];
