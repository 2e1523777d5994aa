/** The language of the page: chosen once, remembered, and set on the document. */

import { createContext, use, useEffect, useState, type ReactNode } from 'react';
import { DIRECTIONS, firstLanguage, STRINGS, type Language, type Strings } from './strings';

const KEY = 'majlis.language';

interface Chosen {
  readonly language: Language;
  readonly strings: Strings;
  readonly choose: (language: Language) => void;
}

const LanguageContext = createContext<Chosen | null>(null);

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(() =>
    firstLanguage(localStorage.getItem(KEY), navigator.languages),
  );
  useEffect(() => {
    document.documentElement.lang = language;
    document.documentElement.dir = DIRECTIONS[language];
    document.title = STRINGS[language].title;
  }, [language]);
  const choose = (next: Language) => {
    localStorage.setItem(KEY, next);
    setLanguage(next);
  };
  return (
    <LanguageContext value={{ language, strings: STRINGS[language], choose }}>
      {children}
    </LanguageContext>
  );
}

export function useLanguage(): Chosen {
  const chosen = use(LanguageContext);
  if (chosen === null) throw new Error('useLanguage outside LanguageProvider');
  return chosen;
}
