/** Signs and lines of what is drawn: plain ASCII where the locale has no UTF-8 (locale(7)). */
export interface Symbols {
  readonly yes: string;
  readonly no: string;
  readonly neutral: string;
  readonly arrow: string;
  /** A branch with others below it, the last branch, what goes past to those below, nothing below. */
  readonly tee: string;
  readonly corner: string;
  readonly bar: string;
  readonly gap: string;
}

const UTF_8: Symbols = {
  yes: '✓',
  no: '✗',
  neutral: '·',
  arrow: '→',
  tee: '├─ ',
  corner: '└─ ',
  bar: '│  ',
  gap: '   ',
};

const ASCII: Symbols = {
  yes: '+',
  no: 'x',
  neutral: '.',
  arrow: '->',
  tee: '|- ',
  corner: '`- ',
  bar: '|  ',
  gap: '   ',
};

export function symbolsFor(environment: Readonly<Record<string, string | undefined>>): Symbols {
  const locale = [environment['LC_ALL'], environment['LC_CTYPE'], environment['LANG']].find(
    (each) => each !== undefined && each !== '',
  );
  return /utf-?8/i.test(locale ?? '') ? UTF_8 : ASCII;
}

export interface Branch {
  readonly text: string;
  readonly branches?: readonly Branch[];
}

/** A tree, a line for each branch. */
export function treeLines(root: Branch, symbols: Symbols): readonly string[] {
  const below = ({ branches = [] }: Branch): readonly string[] =>
    branches.flatMap((branch, index) => {
      const isLast = index === branches.length - 1;
      return [
        `${isLast ? symbols.corner : symbols.tee}${branch.text}`,
        ...below(branch).map((line) => `${isLast ? symbols.gap : symbols.bar}${line}`),
      ];
    });
  return [root.text, ...below(root)];
}
