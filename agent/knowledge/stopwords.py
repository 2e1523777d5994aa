"""Words that say how a question is put, not what it is about; as `words.normalise` leaves them.

Besides articles, pronouns and the like, they hold the frame that callers speak in ("could you
please tell me if it is possible …"): a document is no better for containing it.
"""

_ENGLISH = """
a an the this that these those there here it its i im ive id ill me my mine myself we us our ours
you your yours youre youve he him his she her hers they them their theirs one ones someone somebody
anyone anybody everything something anything nothing some any all each every both either neither
no not dont doesnt didnt isnt arent wasnt werent cant cannot couldnt wont wouldnt shouldnt havent
hasnt hadnt and or but nor so if then than as because while until about above across after again
against along among around at before behind below between by down during for from in inside into
near of off on onto out over per since through to toward towards under up upon with within without
am is are was were be been being do does did doing done have has had having can could may might
must shall should will would let lets get gets getting got go goes going gone come comes came make
makes making made take takes taking took give gives giving gave put want wants wanted need needs
needed like likes wish would know knows tell tells told say says said ask asks asking asked talk
speak explain happen happens happened think mean possible please thanks thank hello hi hey okay ok
yes well just also too very really still even only ever never always often more most much many less
least few other another such same own what whats when whens where wheres which who whos whom whose
why how hows now today way thing things able sure actually maybe perhaps question help long far
visit visiting tomorrow today
two three four five six seven eight nine ten kind kinds type types sort sorts
"""

_ARABIC = """
من الي عن علي في مع بين عند عندي عندك عندكم عندنا لدي لدينا لديكم لديك لي لنا لك لكم له لها لهم
بي بنا بك بكم به بها فيه فيها عليه عليها عليكم منه منها مني منكم اليه اليها اليكم
هذا هذه ذلك تلك هؤلاء هولاء الذي التي الذين اللذين ما ماذا متي اين كيف كم هل لماذا لما من اي ايه
انا نحن انت انتم هو هي هم هن ان انه انها اذا اذ لو لم لن لا ليس ليست قد لقد سوف ثم او ام و ف
كان كانت يكون تكون سيكون ستكون اكون
كل بعض غير حتي منذ قبل بعد حين عندما كما لكن بل ايضا فقط جدا اكثر اقل معي معك معكم معنا اكن نكن
يمكن يمكنني يمكنكم يمكنك ممكن ممكنا استطيع تستطيعون يستطيع بامكاني اريد اود ارغب احتاج تريد يجب
افعل اعمل فماذا وماذا وكيف وهل وكم ومتي فهل فكيف لو سمحت سمحتم فضلك فضلكم رجاء شكرا مرحبا
اتكلم اعرف اخبرني قل لي هنا هناك الان يوجد توجد عني عنكم باي لاي مده ذا شيء شيئا اذن نعم حول دون
"""

STOPWORDS = frozenset(_ENGLISH.split()) | frozenset(_ARABIC.split())
