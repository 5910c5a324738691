import type { HostFiles } from '../ports/hostFiles.ts';

/**
 * The 10 s average of the "some" line of a pressure file (PSI), in thousandths of the time.
 * Undefined where the kernel has no PSI. Source: Linux `Documentation/accounting/psi.rst`.
 */
export function readPressurePermille(files: HostFiles, path: string): number | undefined {
  const match = /^some avg10=([0-9]{1,3})\.([0-9])/m.exec(files.readText(path) ?? '');
  return match ? Number(match[1]) * 10 + Number(match[2]) : undefined;
}
