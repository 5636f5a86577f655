import { homedir, userInfo } from 'node:os';

/** Home of the account that runs netcheck; `/` where it has none (a container with a bare user id). */
export function homeDirectory(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

/** Name of the account that runs netcheck, which ssh(1) takes when no user is given. */
export function localUser(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env['USER'] ?? 'root';
  }
}

/** `~/` at the start of a path becomes the home directory. */
export function expandHome(file: string): string {
  return file.replace(/^~(?=\/)/, homeDirectory());
}
