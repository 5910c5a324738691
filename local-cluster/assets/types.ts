/** Fetching a unit from its official release. `{version}`, `{os}` and `{arch}` are filled in. */
export interface DownloadRecipe {
  readonly url: string;
  /** A file that holds either one SHA-256 sum, or lines `<sum>  <file name>`. */
  readonly checksumUrl: string;
  /** What each file is called inside the archive; absent when the download is the file itself. */
  readonly members?: Readonly<Record<string, string>>;
}

/** Building from a Go module pinned by `assets/go/<group>/go.mod` and `go.sum`. */
export interface GoRecipe {
  readonly kind: 'go';
  readonly group: string;
  /** File name → package to build. */
  readonly packages: Readonly<Record<string, string>>;
  readonly ldflags?: string;
  readonly tags?: string;
  /** Present when the build needs a C compiler and these Debian packages (unpacked, not installed). */
  readonly cgoDebian?: readonly string[];
}

/** Unpacking Debian packages into the cache, without installing anything. */
export interface DebianRecipe {
  readonly kind: 'debian';
  readonly packages: readonly string[];
  /** File name → path inside the unpacked packages. */
  readonly files: Readonly<Record<string, string>>;
  /** The files need libraries of these packages: a wrapper sets the library path. */
  readonly bundled?: boolean;
}

/** A thing fetched or built as a whole: one folder `<name>-<version>` in the cache. */
export interface Unit {
  readonly name: string;
  readonly version: string;
  readonly files: readonly string[];
  readonly download?: DownloadRecipe;
  readonly build: GoRecipe | DebianRecipe;
}

export type Source = 'download' | 'build';

export interface AssetOptions {
  /** Where a missing asset may come from; by default a download, then a build. */
  readonly from?: Source | undefined;
  /** Receives one line of progress at a time. */
  readonly log?: (line: string) => void;
  readonly env?: NodeJS.ProcessEnv;
}
