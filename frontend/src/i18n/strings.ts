/** Every word that the page shows, in each of its languages. */

import type { AgentState, MicrophoneState, Problem } from '../core/session';

export type Language = 'en' | 'ar';

export interface Strings {
  readonly title: string;
  readonly headline: string;
  readonly intro: string;
  /** The button that switches to the other language, in that language. */
  readonly otherLanguage: string;
  readonly name: string;
  readonly talk: string;
  readonly talkAgain: string;
  readonly back: string;
  readonly starting: string;
  readonly resuming: string;
  readonly joining: string;
  readonly waiting: string;
  readonly late: string;
  readonly agent: Readonly<Record<AgentState, string>>;
  readonly reconnecting: string;
  readonly rejoining: string;
  readonly ending: string;
  readonly ended: string;
  readonly you: string;
  readonly assistant: string;
  readonly conversation: string;
  readonly hint: string;
  readonly type: string;
  readonly send: string;
  readonly notSent: string;
  readonly mute: string;
  readonly unmute: string;
  readonly end: string;
  readonly hear: string;
  readonly sources: string;
  readonly passage: (index: number) => string;
  readonly microphone: Readonly<
    Record<Exclude<MicrophoneState, 'off' | 'asking' | 'live' | 'muted'>, string>
  >;
  readonly asking: string;
  readonly tryAgain: string;
  readonly noSpeech: string;
  readonly noVoice: string;
  readonly problem: Readonly<Record<Problem, string>>;
}

const en: Strings = {
  title: 'Majlis',
  headline: 'Talk with your documents',
  intro: 'Ask out loud, as you would ask a person. Speak up at any time, even over an answer.',
  otherLanguage: 'العربية',
  name: 'Your name (optional)',
  talk: 'Talk',
  talkAgain: 'Talk again',
  back: 'Back to the start',
  starting: 'Setting up the conversation…',
  resuming: 'Looking for your conversation…',
  joining: 'Joining…',
  waiting: 'Waiting for the assistant…',
  late: 'The assistant is taking longer than usual. It may be busy; we keep trying.',
  agent: {
    initializing: 'Getting ready…',
    idle: 'Ready',
    listening: 'Listening',
    thinking: 'Thinking…',
    speaking: 'Speaking',
  },
  reconnecting: 'The connection was interrupted. Reconnecting…',
  rejoining: 'The connection is lost. Trying to come back…',
  ending: 'Ending…',
  ended: 'The conversation has ended.',
  you: 'You',
  assistant: 'Assistant',
  conversation: 'Conversation',
  hint: 'What is said will appear here.',
  type: 'Type a message',
  send: 'Send',
  notSent: 'That could not be sent. Try again.',
  mute: 'Mute microphone',
  unmute: 'Unmute microphone',
  end: 'End',
  hear: 'Turn the sound on',
  sources: 'Sources',
  passage: (index) => `passage ${index}`,
  microphone: {
    blocked:
      'The microphone is blocked. Allow it for this page (the icon beside the address), then try again. You can type meanwhile.',
    missing: 'No microphone was found. Connect one and try again, or type.',
    'in-use': 'Another program is using the microphone. Close it and try again, or type.',
    insecure:
      'Browsers give the microphone only to pages on HTTPS or on localhost, and this one is neither. You can type.',
    failed: 'The microphone could not be started. Try again, or type.',
  },
  asking: 'Please allow the microphone.',
  tryAgain: 'Try again',
  noSpeech: 'Speech recognition is not available for this language here. Type, and I will answer.',
  noVoice: 'There is no voice here. Answers come in writing.',
  problem: {
    busy: 'All places are taken right now. Please try again in a minute.',
    unavailable: 'The service is not working right now. Please try again soon.',
    network: 'The server cannot be reached. Check your connection and try again.',
    forbidden: 'This server asks for credentials that this page does not have.',
    rejected: 'The server did not accept the request.',
    unreachable: 'The conversation could not be joined. Please try again.',
    duplicate: 'This conversation went on in another tab.',
    gone: 'That conversation is over.',
    'idle-timeout': 'The conversation ended because nobody spoke for a while.',
    maintenance: 'The conversation ended because the server is being serviced.',
    'agent-failed': 'The assistant could not continue. Please try again.',
  },
};

const ar: Strings = {
  title: 'مجلس',
  headline: 'تحدّث مع مستنداتك',
  intro: 'اسأل بصوتك كما تسأل شخصًا، وقاطِع متى شئت، حتى في أثناء الإجابة.',
  otherLanguage: 'English',
  name: 'اسمك (اختياري)',
  talk: 'تحدّث',
  talkAgain: 'تحدّث مرة أخرى',
  back: 'العودة إلى البداية',
  starting: 'جارٍ إعداد المحادثة…',
  resuming: 'جارٍ البحث عن محادثتك…',
  joining: 'جارٍ الانضمام…',
  waiting: 'في انتظار المساعد…',
  late: 'تأخّر المساعد أكثر من المعتاد. قد يكون مشغولًا، وما زلنا نحاول.',
  agent: {
    initializing: 'يستعد…',
    idle: 'جاهز',
    listening: 'يستمع',
    thinking: 'يفكّر…',
    speaking: 'يتحدّث',
  },
  reconnecting: 'انقطع الاتصال. جارٍ إعادة الاتصال…',
  rejoining: 'فُقد الاتصال. نحاول العودة…',
  ending: 'جارٍ الإنهاء…',
  ended: 'انتهت المحادثة.',
  you: 'أنت',
  assistant: 'المساعد',
  conversation: 'المحادثة',
  hint: 'سيظهر هنا ما يُقال.',
  type: 'اكتب رسالة',
  send: 'إرسال',
  notSent: 'تعذّر الإرسال. حاول مرة أخرى.',
  mute: 'كتم الميكروفون',
  unmute: 'إلغاء كتم الميكروفون',
  end: 'إنهاء',
  hear: 'شغّل الصوت',
  sources: 'المصادر',
  passage: (index) => `المقطع ${index}`,
  microphone: {
    blocked:
      'الميكروفون محظور. اسمح به لهذه الصفحة (الأيقونة بجانب العنوان) ثم حاول مرة أخرى. يمكنك الكتابة في هذه الأثناء.',
    missing: 'لم يُعثر على ميكروفون. صِل واحدًا وحاول مرة أخرى، أو اكتب.',
    'in-use': 'برنامج آخر يستخدم الميكروفون. أغلقه وحاول مرة أخرى، أو اكتب.',
    insecure:
      'لا تتيح المتصفّحات الميكروفون إلا للصفحات عبر HTTPS أو على localhost، وهذه الصفحة ليست كذلك. يمكنك الكتابة.',
    failed: 'تعذّر تشغيل الميكروفون. حاول مرة أخرى، أو اكتب.',
  },
  asking: 'يُرجى السماح باستخدام الميكروفون.',
  tryAgain: 'حاول مرة أخرى',
  noSpeech: 'التعرّف على الكلام غير متاح هنا لهذه اللغة. اكتب وسأجيبك.',
  noVoice: 'الصوت غير متاح هنا. تصلك الإجابات مكتوبة.',
  problem: {
    busy: 'كل الأماكن مشغولة الآن. يُرجى المحاولة بعد دقيقة.',
    unavailable: 'الخدمة لا تعمل الآن. يُرجى المحاولة بعد قليل.',
    network: 'لا يمكن الوصول إلى الخادم. تحقّق من اتصالك وحاول مرة أخرى.',
    forbidden: 'يطلب هذا الخادم بيانات دخول ليست لدى هذه الصفحة.',
    rejected: 'لم يقبل الخادم الطلب.',
    unreachable: 'تعذّر الانضمام إلى المحادثة. يُرجى المحاولة مرة أخرى.',
    duplicate: 'تتابعت هذه المحادثة في نافذة أخرى.',
    gone: 'انتهت تلك المحادثة.',
    'idle-timeout': 'انتهت المحادثة لأن أحدًا لم يتحدّث لفترة.',
    maintenance: 'انتهت المحادثة لأن الخادم قيد الصيانة.',
    'agent-failed': 'تعذّر على المساعد المتابعة. يُرجى المحاولة مرة أخرى.',
  },
};

export const STRINGS: Readonly<Record<Language, Strings>> = { en, ar };

/** What the session API calls the language, BCP-47. */
export const LOCALES: Readonly<Record<Language, string>> = { en: 'en-US', ar: 'ar-EG' };

export const DIRECTIONS: Readonly<Record<Language, 'ltr' | 'rtl'>> = { en: 'ltr', ar: 'rtl' };

/** The language to begin with: what was chosen before, else what the browser prefers. */
export function firstLanguage(chosen: string | null, preferred: readonly string[]): Language {
  const wishes = chosen === null ? preferred : [chosen, ...preferred];
  const known = wishes.map((wish) => wish.slice(0, 2).toLowerCase());
  return known.find((wish): wish is Language => wish === 'en' || wish === 'ar') ?? 'en';
}
