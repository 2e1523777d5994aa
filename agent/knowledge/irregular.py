"""English forms that no rule of a stemmer leads back to their base."""

_FORMS = """
become became
begin began begun
bite bit bitten
blow blew blown
break broke broken
bring brought
build built
bus buses busses
buy bought
catch caught
child children
choose chose chosen
draw drew drawn
drink drank drunk
drive drove driven
eat ate eaten
fall fell fallen
feel felt
find found
fly flew flown
foot feet
forget forgot forgotten
forgive forgave forgiven
freeze froze frozen
grow grew grown
hang hung
hear heard
hide hid hidden
hold held
keep kept
leave left
lend lent
lose lost
man men
meet met
mouse mice
pay paid
person people
ride rode ridden
ring rang rung
rise rose risen
sell sold
send sent
shake shook shaken
shine shone
sing sang sung
sit sat
sleep slept
spend spent
stand stood
steal stole stolen
stick stuck
swim swam swum
teach taught
tear tore torn
throw threw thrown
tooth teeth
understand understood
wake woke woken
wear wore worn
win won
woman women
write wrote written
"""

BASE_FORMS = {
    form: base
    for base, *forms in (line.split() for line in _FORMS.split("\n") if line)
    for form in forms
}
